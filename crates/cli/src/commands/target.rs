//! What a name on the command line means: a card, a port, a region.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use fpga::board::{Board, Inventory, Port};
use fpga::id::{InterfaceId, PciAddress};
use fpga::root::Root;

use crate::status::Status;

/// Which port a command works on.
#[derive(Debug, ClapArgs)]
pub(crate) struct PortArgs {
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
    NoPort { name: String, which: String },
    #[error("{name}: several cards have this address, give it with its domain: {}", addresses.join(", "))]
    SeveralAddresses { name: String, addresses: Vec<String> },
    #[error("{name}: {} ports fit, name one of them: {}", ports.len(), ports.join(", "))]
    Several { name: String, ports: Vec<String> },
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
            Self::NoCard(_) | Self::Unknown { .. } | Self::NoPort { .. } | Self::NoImage { .. } => {
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
    Card(&'a Board),
    Port(&'a Board, &'a Port),
    Region(&'a Board, usize),
}

/// The object called `name`: by device name, the path of its node, or PCI address. A card and its first
/// function have the same address, which is then the card's.
pub(crate) fn find<'a>(
    root: &Root,
    inventory: &'a Inventory,
    name: &str,
) -> Result<Object<'a>, Error> {
    if inventory.boards.is_empty() {
        return Err(Error::NoCard(super::why_nothing(root, inventory)));
    }
    let last = name.rsplit('/').next().unwrap_or(name);
    let address = address(last, functions(inventory))?;
    let in_board = |board: &'a Board| {
        if Some(board.pci.address) == address || board.fme.node.name == last {
            return Some(Object::Card(board));
        }
        let is_port = |port: &&Port| port.node.name == last || Some(port.pci) == address;
        let port = board.ports.iter().find(is_port).map(|port| Object::Port(board, port));
        let region = || board.regions.iter().position(|region| region.name == last);
        port.or_else(|| region().map(|index| Object::Region(board, index)))
    };
    let found = inventory.boards.iter().find_map(in_board);
    found.ok_or_else(|| Error::Unknown { name: name.to_owned() })
}

/// The PCI functions of all cards and ports.
pub(crate) fn functions(inventory: &Inventory) -> impl Iterator<Item = PciAddress> {
    inventory.boards.iter().flat_map(|board| {
        std::iter::once(board.pci.address).chain(board.ports.iter().map(|port| port.pci))
    })
}

/// The PCI address that a text means, if it means one. Without a domain it is the one of `known` that is so but for
/// the domain, and in domain 0 where there is none.
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

/// The one port that is meant. Without a name, the one before whose region can be programmed, of those
/// for `interface` if that is known.
pub(crate) fn port<'a>(
    root: &Root,
    inventory: &'a Inventory,
    args: &PortArgs,
    interface: Option<InterfaceId>,
) -> Result<(&'a Board, &'a Port), Error> {
    let Some(name) = &args.target else {
        return only(root, inventory, args.region, interface);
    };
    match find(root, inventory, name)? {
        Object::Port(board, port) => in_region(board, args.region, name, Some(port)),
        Object::Card(board) => in_region(board, args.region, name, None),
        Object::Region(board, index) => in_region(board, Some(index), name, None),
    }
}

/// The port of `board` that is before the region, or `port` if it is that.
fn in_region<'a>(
    board: &'a Board,
    region: Option<usize>,
    name: &str,
    port: Option<&'a Port>,
) -> Result<(&'a Board, &'a Port), Error> {
    let fits = |other: &&Port| {
        port.is_none_or(|port| port == *other)
            && region.is_none_or(|index| other.region == Some(index))
    };
    let which = region.map_or_else(String::new, |index| format!("before region {index}"));
    single(name, &which, board.ports.iter().filter(fits).map(|port| (board, port)))
}

fn only<'a>(
    root: &Root,
    inventory: &'a Inventory,
    region: Option<usize>,
    interface: Option<InterfaceId>,
) -> Result<(&'a Board, &'a Port), Error> {
    if inventory.boards.is_empty() {
        return Err(Error::NoCard(super::why_nothing(root, inventory)));
    }
    let all = inventory.boards.iter().flat_map(|board| {
        board.ports.iter().map(move |port| (board, port)).filter(|(_, port)| port.region.is_some())
    });
    let fits = |(board, port): &(&Board, &Port)| {
        region.is_none_or(|index| port.region == Some(index))
            && interface.is_none_or(|interface| board.interface_id(port) == Some(interface))
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
    ports: impl Iterator<Item = (&'a Board, &'a Port)>,
) -> Result<(&'a Board, &'a Port), Error> {
    let ports: Vec<_> = ports.collect();
    let name = name.to_owned();
    match ports[..] {
        [port] => Ok(port),
        [] => {
            let which = if which.is_empty() { "that is seen" } else { which };
            Err(Error::NoPort { name, which: which.to_owned() })
        }
        _ => {
            let ports = ports.iter().map(|(_, port)| port.node.name.clone()).collect();
            Err(Error::Several { name, ports })
        }
    }
}
