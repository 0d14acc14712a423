//! What a name on the command line means: a card, a slot, a region.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use fpga::card::{Card, Inventory, Slot};
use fpga::id::{CardId, InterfaceId, PciAddress};
use fpga::root::Root;

use crate::status::Status;

/// Which slot a command works on.
#[derive(Debug, ClapArgs)]
pub(crate) struct SlotArgs {
    /// A port or region by its name, or a card by its PCI address; may be left out when only one fits
    #[arg(value_name = "PORT|REGION|CARD")]
    pub(crate) target: Option<String>,
    /// With a card: its region of this number, counted from 0 as `fpgactl show` lists them
    #[arg(long, value_name = "N")]
    pub(crate) region: Option<usize>,
}

/// Why a name means nothing, or too much.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    NoCard(String),
    #[error("{name}: no such card, port or region; `fpgactl show` names those there are")]
    Unknown { name: String },
    #[error("{name}: no port {which}; `fpgactl show` names those there are")]
    NoSlot { name: String, which: String },
    #[error("{name}: several cards have this address, give it with its domain: {}", addresses.join(", "))]
    SeveralAddresses { name: String, addresses: Vec<String> },
    #[error("{name}: {} ports fit, name one of them: {}", slots.len(), slots.join(", "))]
    Several { name: String, slots: Vec<String> },
    #[error(
        "{name}: no function of that name for interface {interface} in {}; the path of a file has a slash or an extension",
        store.display()
    )]
    NoImage { name: String, interface: InterfaceId, store: PathBuf },
    #[error("{name}: several functions have that name, give the id of one of them: {}", ids.join(", "))]
    SeveralImages { name: String, ids: Vec<String> },
}

impl Error {
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::NoCard(_) | Self::Unknown { .. } | Self::NoSlot { .. } | Self::NoImage { .. } => {
                Status::Nothing
            }
            Self::Several { .. } | Self::SeveralAddresses { .. } | Self::SeveralImages { .. } => {
                Status::Usage
            }
        }
    }
}

/// An object with a name of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Object<'a> {
    Card(&'a Card),
    Slot(&'a Card, &'a Slot),
    Region(&'a Card, usize),
}

/// The object called `name`: by device name, the path of its node, or PCI address. A card and its first
/// function have the same address, which is then the card's.
pub(crate) fn find<'a>(
    root: &Root,
    inventory: &'a Inventory,
    name: &str,
) -> Result<Object<'a>, Error> {
    if inventory.cards.is_empty() {
        return Err(Error::NoCard(super::why_nothing(root, inventory)));
    }
    let last = name.rsplit('/').next().unwrap_or(name);
    let address = address(last, functions(inventory))?;
    let in_card = |card: &'a Card| {
        if Some(card.id) == address.map(CardId::from) || card.name == last {
            return Some(Object::Card(card));
        }
        let is_meant = |slot: &&Slot| slot.name == last || address.is_some() && slot.pci == address;
        let slot = card.slots.iter().find(is_meant).map(|slot| Object::Slot(card, slot));
        let region = || card.regions.iter().position(|region| region.name == last);
        slot.or_else(|| region().map(|index| Object::Region(card, index)))
    };
    let found = inventory.cards.iter().find_map(in_card);
    found.ok_or_else(|| Error::Unknown { name: name.to_owned() })
}

/// The PCI functions of all cards and slots.
pub(crate) fn functions(inventory: &Inventory) -> impl Iterator<Item = PciAddress> {
    inventory.cards.iter().flat_map(|card| {
        let CardId::Pci(own) = card.id;
        std::iter::once(own).chain(card.slots.iter().filter_map(|slot| slot.pci))
    })
}

/// The PCI address that a text means, if it means one. Without a domain it is the one of `known` that is so but for
/// the domain, and in domain 0 if no such one is known.
///
/// # Errors
/// Several of `known` are.
pub(crate) fn address(
    text: &str,
    known: impl Iterator<Item = PciAddress>,
) -> Result<Option<PciAddress>, Error> {
    if let Ok(address) = text.parse() {
        return Ok(Some(address));
    }
    let Ok(short) = format!("0000:{text}").parse::<PciAddress>() else { return Ok(None) };
    let fits = |address: &PciAddress| PciAddress { domain: 0, ..*address } == short;
    let found: BTreeSet<PciAddress> = known.filter(fits).collect();
    if found.len() > 1 {
        let addresses = found.iter().map(ToString::to_string).collect();
        return Err(Error::SeveralAddresses { name: text.to_owned(), addresses });
    }
    Ok(Some(found.first().copied().unwrap_or(short)))
}

/// The one slot that is meant. Without a name, the one whose region can be programmed, of those
/// for `interface` if that is known.
pub(crate) fn slot<'a>(
    root: &Root,
    inventory: &'a Inventory,
    args: &SlotArgs,
    interface: Option<InterfaceId>,
) -> Result<(&'a Card, &'a Slot), Error> {
    let Some(name) = &args.target else {
        return only(root, inventory, args.region, interface);
    };
    match find(root, inventory, name)? {
        Object::Slot(card, slot) => in_region(card, args.region, name, Some(slot)),
        Object::Card(card) => in_region(card, args.region, name, None),
        Object::Region(card, index) => in_region(card, Some(index), name, None),
    }
}

/// The slot of `card` that has the region, or `slot` if it is that.
fn in_region<'a>(
    card: &'a Card,
    region: Option<usize>,
    name: &str,
    slot: Option<&'a Slot>,
) -> Result<(&'a Card, &'a Slot), Error> {
    let fits = |other: &&Slot| {
        slot.is_none_or(|slot| slot == *other)
            && region.is_none_or(|index| other.region == Some(index))
    };
    let which = region.map_or_else(String::new, |index| format!("before region {index}"));
    single(name, &which, card.slots.iter().filter(fits).map(|slot| (card, slot)))
}

fn only<'a>(
    root: &Root,
    inventory: &'a Inventory,
    region: Option<usize>,
    interface: Option<InterfaceId>,
) -> Result<(&'a Card, &'a Slot), Error> {
    if inventory.cards.is_empty() {
        return Err(Error::NoCard(super::why_nothing(root, inventory)));
    }
    let all = inventory.slots().filter(|(_, slot)| slot.region.is_some());
    let fits = |(card, slot): &(&Card, &Slot)| {
        region.is_none_or(|index| slot.region == Some(index))
            && interface.is_none_or(|interface| card.interface_id(slot) == Some(interface))
    };
    let which = match interface {
        Some(interface) => format!("before a region with interface {interface}"),
        None => "before a region".to_owned(),
    };
    single("no port was named", &which, all.filter(fits))
}

fn single<'a>(
    name: &str,
    which: &str,
    slots: impl Iterator<Item = (&'a Card, &'a Slot)>,
) -> Result<(&'a Card, &'a Slot), Error> {
    let slots: Vec<_> = slots.collect();
    let name = name.to_owned();
    match slots[..] {
        [slot] => Ok(slot),
        [] => {
            let which = if which.is_empty() { "that is seen" } else { which };
            Err(Error::NoSlot { name, which: which.to_owned() })
        }
        _ => {
            let slots = slots.iter().map(|(_, slot)| slot.name.clone()).collect();
            Err(Error::Several { name, slots })
        }
    }
}
