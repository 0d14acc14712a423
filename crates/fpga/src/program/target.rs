//! What is worked on: a card, or one of its slots.

use std::fmt;
use std::fs;
use std::path::Path;

use super::error::Problem;
use crate::card::{Card, DeviceNumber, Inventory, Slot};
use crate::id::InterfaceId;
use crate::root::Root;
use crate::scan::scan;
use crate::stack::{self, Device, Found, Management, Programmer};

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

impl Target {
    /// The slot whose node has this number; `None` when there is none, or when it belongs to no card.
    ///
    /// Most slots are found without a scan of the node, for callers who are in a hurry.
    #[must_use]
    pub fn find(root: &Root, number: DeviceNumber) -> Option<Self> {
        if !may_be_slot(root, number) {
            return None;
        }
        Self::find_directly(root, number).or_else(|| {
            let inventory = scan(root);
            let (card, slot) = slot_by_number(&inventory, number)?;
            Some(Self::new(root, card, slot))
        })
    }

    fn find_directly(root: &Root, number: DeviceNumber) -> Option<Self> {
        let mut programmers = stack::ALL.iter().filter_map(|stack| stack.programmer());
        let Found { card, slot, number, interface_id } =
            programmers.find_map(|programmer| programmer.find(root, number))?;
        Some(Self { card, slot, number, is_reconfigurable: true, interface_id: Some(interface_id) })
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

    /// How it is programmed.
    pub(super) fn programmer(&self) -> Result<&'static dyn Programmer, Problem> {
        programmer(&self.card)
    }
}

/// How a card is programmed.
pub(super) fn programmer(card: &Management) -> Result<&'static dyn Programmer, Problem> {
    card.driver.stack().programmer().ok_or(Problem::NotReconfigurable)
}

/// False for the devices of others, which are not worth a scan of the node each: a container may list any number
/// of them. The kernel has a link for every device, but not everywhere is its directory to be seen.
fn may_be_slot(root: &Root, number: DeviceNumber) -> bool {
    let path = root.char_device(number);
    let Ok(link) = fs::read_link(&path) else {
        return !path.parent().is_some_and(Path::is_dir);
    };
    link.file_name().and_then(|name| name.to_str()).is_some_and(stack::is_slot_node)
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
