//! Where a card and its slots are on a root.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::card::{Card, Driver};
use crate::id::{CardId, InterfaceId};
use crate::root::Root;

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

/// A card, as far as it is managed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Management {
    /// The driver that is bound to it, by its kernel interface.
    pub driver: Driver,
    /// The card.
    pub id: CardId,
    /// Its management node, which is its lock.
    pub device: Device,
}

/// A slot that was found by its node's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its card.
    pub card: Management,
    /// Its node.
    pub slot: Device,
    /// Its number on the card.
    pub number: u32,
    /// The interface id of its region.
    pub interface_id: InterfaceId,
}

impl Management {
    /// That of `card` on this root.
    #[must_use]
    pub fn new(root: &Root, card: &Card) -> Self {
        Self { driver: card.driver, id: card.id, device: Device::new(root, &card.name) }
    }
}

impl Device {
    /// The drivers make platform devices, which the bus lists by name.
    pub(crate) fn new(root: &Root, name: &str) -> Self {
        Self { name: name.to_owned(), node: root.node(name), dir: root.platform_device(name) }
    }

    pub(crate) fn attribute(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }
}

impl fmt::Display for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "card {} ({})", self.id, self.device.name)
    }
}
