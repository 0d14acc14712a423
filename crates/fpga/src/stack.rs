//! The seam to hardware: everything that differs by the driver that a card is reached through.
//!
//! A [`Stack`] finds its cards, says how they are, what tells of their changes, what a container with a slot gets,
//! and how a card is programmed. All that is above it is the same for every card: the procedure of
//! [`crate::program`], the watcher, what is offered and shown. Nothing there knows the words of a driver; a test
//! holds that (`tests/seam.rs`).

use std::path::PathBuf;

use crate::card::{Card, DeviceNode, Driver, Inventory, Problem, Slot, Vitals};
use crate::root::Root;

mod clock;
mod error;
pub mod intel;
mod place;
mod programmer;
mod unbound;

pub use clock::{Clock, Frequencies};
pub use error::{Cause, Error};
pub use intel::scan::{Plugged, plugged};
pub use place::{Device, Found, Management};
pub use programmer::{Engine, Held, Programmer, Rejected, Sharing};
pub use unbound::Unbound;

/// Cards of one kind of driver.
pub trait Stack: Sync {
    /// Adds to the inventory what there is: drivers, cards, and what cannot be read.
    fn scan(&self, root: &Root, inventory: &mut Inventory);

    /// Reads how `card` is. What cannot be read is left out, and a problem.
    fn vitals(&self, root: &Root, card: &Card) -> (Vitals, Vec<Problem>);

    /// What tells that a scan may find something else.
    fn triggers(&self) -> Triggers;

    /// What a container gets that is given `slot` of one of its cards.
    fn edits(&self, slot: &Slot) -> Edits;

    /// How its cards are programmed; `None` where their users do that.
    fn programmer(&self) -> Option<&dyn Programmer>;
}

/// What tells that a scan may find something else: names, and how names start.
#[derive(Debug, Clone, Copy)]
pub struct Triggers {
    /// Directories below `class/` of sysfs that come and go with the driver.
    pub classes: &'static [&'static str],
    /// Starts of the names of management nodes: closing one after writing may end a reconfiguration.
    pub management: &'static [&'static str],
    /// Starts of the names of slots' nodes.
    pub slots: &'static [&'static str],
    /// Starts of the names of devices, classes, drivers and modules in uevents.
    pub uevents: &'static [&'static str],
}

/// What a container gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edits {
    /// Device nodes, to be read and written.
    pub nodes: Vec<DeviceNode>,
}

/// Every stack that there is.
pub const ALL: [&dyn Stack; 1] = [&intel::Intel];

impl Driver {
    /// The stack that its cards are found by.
    #[must_use]
    pub fn stack(self) -> &'static dyn Stack {
        match self {
            Self::Dfl | Self::Opae => &intel::Intel,
        }
    }
}

/// The class directories by which the drivers show that they are loaded.
#[must_use]
pub fn classes(root: &Root) -> Vec<PathBuf> {
    let names = ALL.iter().flat_map(|stack| stack.triggers().classes);
    names.map(|name| root.class(name)).collect()
}

/// True of the name of a management node.
#[must_use]
pub fn is_management_node(name: &str) -> bool {
    starts_with_any(name, |triggers| triggers.management)
}

/// True of the name of a slot's node.
#[must_use]
pub fn is_slot_node(name: &str) -> bool {
    starts_with_any(name, |triggers| triggers.slots)
}

/// True of what a device can be called by the device plugin and by CDI ([`Slot::name`] and [`Slot::region_name`]).
#[must_use]
pub fn is_device_name(name: &str) -> bool {
    intel::is_device_name(name)
}

/// True of the name of a device, class, driver or module that a scan depends on.
pub(crate) fn is_in_uevents(name: &str) -> bool {
    starts_with_any(name, |triggers| triggers.uevents)
}

fn starts_with_any(name: &str, prefixes: fn(&Triggers) -> &'static [&'static str]) -> bool {
    ALL.iter().any(|stack| prefixes(&stack.triggers()).iter().any(|start| name.starts_with(start)))
}
