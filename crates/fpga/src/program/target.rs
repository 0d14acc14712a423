//! What is worked on: a card, or one of its slots.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::card::{Card, DeviceNumber, Driver, Inventory, Slot};
use crate::id::{CardId, InterfaceId};
use crate::root::Root;
use crate::scan::scan;

mod direct;

/// A card, as far as it is managed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Management {
    /// Kernel interface.
    pub driver: Driver,
    /// The card.
    pub id: CardId,
    /// Its management node, such as `dfl-fme.0`.
    pub device: Device,
}

/// A slot and its region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The card that it is on.
    pub card: Management,
    /// The slot's node, such as `dfl-port.0`.
    pub slot: Device,
    /// Its number on the card.
    pub number: u32,
    /// True when it has a region that can be programmed.
    pub is_reconfigurable: bool,
    /// The region's interface id, where the driver tells it.
    pub interface_id: Option<InterfaceId>,
}

/// A device: its node and its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its node on this root.
    pub node: PathBuf,
    /// Its directory in sysfs.
    pub dir: PathBuf,
}

impl Management {
    /// That of `card` on this root.
    #[must_use]
    pub fn new(root: &Root, card: &Card) -> Self {
        Self { driver: card.driver, id: card.id, device: Device::new(root, &card.name) }
    }
}

impl Target {
    /// The slot whose node has this number; `None` when there is none, or when it belongs to no card.
    ///
    /// Most slots are found without a scan of the node, for callers who are in a hurry.
    #[must_use]
    pub fn find(root: &Root, number: DeviceNumber) -> Option<Self> {
        direct::target(root, number).or_else(|| {
            let inventory = scan(root);
            let (card, slot) = slot_by_number(&inventory, number)?;
            Some(Self::new(root, card, slot))
        })
    }

    /// The slot `slot` of `card` on this root.
    #[must_use]
    pub fn new(root: &Root, card: &Card, slot: &Slot) -> Self {
        Self {
            card: Management::new(root, card),
            slot: Device::new(root, &slot.name),
            number: slot.number,
            is_reconfigurable: slot.region.is_some_and(|index| index < card.regions.len()),
            interface_id: card.interface_id(slot),
        }
    }
}

impl Device {
    /// Both drivers make platform devices, which the bus lists by name.
    fn new(root: &Root, name: &str) -> Self {
        Self { name: name.to_owned(), node: root.node(name), dir: root.platform_device(name) }
    }

    pub(super) fn attribute(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }
}

/// The slot with a node of this number, with its card.
#[must_use]
pub fn slot_by_number(inventory: &Inventory, number: DeviceNumber) -> Option<(&Card, &Slot)> {
    let has_it = |slot: &Slot| slot.nodes.iter().any(|node| node.number == Some(number));
    inventory.slots().find(|(_, slot)| has_it(slot))
}

/// The slot of this name, such as `dfl-port.0`, with its card.
#[must_use]
pub fn slot_by_name<'a>(inventory: &'a Inventory, name: &str) -> Option<(&'a Card, &'a Slot)> {
    inventory.slots().find(|(_, slot)| slot.name == name)
}

impl fmt::Display for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "card {} ({})", self.id, self.device.name)
    }
}

/// As messages name it: region, card, port.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = self.interface_id {
            write!(f, "region {id}, ")?;
        }
        write!(f, "card {}, port {}", self.card.id, self.slot.name)
    }
}

#[cfg(test)]
mod tests;
