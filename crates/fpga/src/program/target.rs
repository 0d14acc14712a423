//! What is worked on: a card, or one of its ports.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::bitstream::Bitstream;
use crate::board::{Board, DeviceNumber, Driver, Function, Inventory, Port};
use crate::id::{InterfaceId, PciAddress};
use crate::ledger::{Binding, Entry, Ledger};
use crate::root::Root;
use crate::scan::scan;

mod direct;

/// A card with its management engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The driver that is bound to it, by its kernel interface.
    pub driver: Driver,
    /// The physical function.
    pub address: PciAddress,
    /// The management node, such as `dfl-fme.0`.
    pub fme: Device,
}

/// A port and the region behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The card that it is on.
    pub card: Card,
    /// The port's node, such as `dfl-port.0`.
    pub port: Device,
    /// Its number on the card.
    pub port_id: u32,
    /// True when there is a region behind the port that can be programmed.
    pub is_reconfigurable: bool,
    /// The region's interface id, where the driver tells it.
    pub interface_id: Option<InterfaceId>,
    /// Where what is known of the region is.
    pub(super) ledger: Ledger,
}

/// A device: its node and its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name in sysfs and in `dev/`, such as `dfl-port.0`.
    pub name: String,
    /// Its node on this root.
    pub node: PathBuf,
    /// Its directory in sysfs.
    pub dir: PathBuf,
}

impl Card {
    /// The card `board` on this root.
    #[must_use]
    pub fn new(root: &Root, board: &Board) -> Self {
        Self {
            driver: board.driver,
            address: board.pci.address,
            fme: Device::new(root, &board.fme.node.name),
        }
    }
}

impl Target {
    /// The port whose node has this number; `None` when there is none, or when it belongs to no card.
    ///
    /// Most ports are found without a scan of the node, for callers who are in a hurry.
    #[must_use]
    pub fn find(root: &Root, number: DeviceNumber) -> Option<Self> {
        direct::target(root, number).or_else(|| {
            let inventory = scan(root);
            let (board, port) = port_by_number(&inventory, number)?;
            Some(Self::new(root, board, port))
        })
    }

    /// The port `port` of `board` on this root.
    #[must_use]
    pub fn new(root: &Root, board: &Board, port: &Port) -> Self {
        Self {
            card: Card::new(root, board),
            port: Device::new(root, &port.node.name),
            port_id: port.id,
            is_reconfigurable: port.region.is_some_and(|index| index < board.regions.len()),
            interface_id: board.interface_id(port),
            ledger: root.ledger().clone(),
        }
    }

    /// The port of the region that the ledger calls `slot`; `None` when its card is gone.
    #[must_use]
    pub fn by_slot(root: &Root, slot: &str) -> Option<Self> {
        let inventory = scan(root);
        let targets = inventory
            .boards
            .iter()
            .flat_map(|board| board.ports.iter().map(|port| Self::new(root, board, port)));
        targets.into_iter().find(|target| target.slot() == slot)
    }

    /// Where what is known of the region is.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What the ledger calls the region.
    #[must_use]
    pub fn slot(&self) -> String {
        let PciAddress { domain, bus, device, function } = self.card.address;
        format!("{domain:04x}-{bus:02x}-{device:02x}-{function:x}-slot{}", self.port_id)
    }

    /// What is known of the region; `None` where nothing is, or where the entry cannot be read. It may change at
    /// once: nothing is locked.
    #[must_use]
    pub fn entry(&self) -> Option<Entry> {
        self.ledger.read(&self.slot()).ok()?
    }

    /// True when it is certain that the region, which shows `shown`, holds the image in this file. It may change at
    /// once: nothing is locked.
    #[must_use]
    pub fn holds(&self, bitstream: &Bitstream, shown: &Function) -> bool {
        let known = self.entry();
        let known = known.as_ref().and_then(|entry| entry.image(&self.binding(), shown));
        known.is_some_and(|known| known.is_from(bitstream).unwrap_or(false))
    }

    /// Through which drivers the region is reached now.
    #[must_use]
    pub fn binding(&self) -> Binding {
        Binding::of(&[&self.card.fme.dir, &self.port.dir])
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

/// The port whose node has this number, with its board.
#[must_use]
pub fn port_by_number(inventory: &Inventory, number: DeviceNumber) -> Option<(&Board, &Port)> {
    find(inventory, |port| port.node.number == Some(number))
}

/// The port of this name, such as `dfl-port.0`, with its board.
#[must_use]
pub fn port_by_name<'a>(inventory: &'a Inventory, name: &str) -> Option<(&'a Board, &'a Port)> {
    find(inventory, |port| port.node.name == name)
}

fn find(inventory: &Inventory, wanted: impl Fn(&Port) -> bool) -> Option<(&Board, &Port)> {
    inventory.boards.iter().find_map(|board| {
        let port = board.ports.iter().find(|port| wanted(port))?;
        Some((board, port))
    })
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "card {} ({})", self.address, self.fme.name)
    }
}

/// As messages name it: region, card, port.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = self.interface_id {
            write!(f, "region {id}, ")?;
        }
        write!(f, "card {}, port {}", self.card.address, self.port.name)
    }
}

#[cfg(test)]
mod tests;
