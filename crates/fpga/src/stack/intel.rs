//! Intel's cards: the in-tree Device Feature List driver and the out-of-tree OPAE driver, on one node at the same
//! time.
//!
//! The kernel's words are used in here: FME (FPGA management engine), port, AFU (accelerator function unit), PR
//! (partial reconfiguration). A card is an FME, a slot a port.

use crate::card::{Card, Inventory, Problem, Slot, Vitals};
use crate::root::Root;
use crate::stack::{Edits, Programmer, Stack, Triggers};

mod clock;
mod direct;
pub mod driver;
pub mod errors;
mod function;
mod manager;
mod models;
mod names;
mod parts;
mod programmer;
mod registers;
pub(super) mod scan;
mod vitals;

pub(super) use names::is_device_name;

/// Both drivers.
#[derive(Debug)]
pub struct Intel;

impl Stack for Intel {
    fn scan(&self, root: &Root, inventory: &mut Inventory) {
        scan::scan(root, inventory);
    }

    fn vitals(&self, root: &Root, card: &Card) -> (Vitals, Vec<Problem>) {
        vitals::vitals(root, card)
    }

    fn triggers(&self) -> Triggers {
        Triggers {
            classes: &[scan::dfl::CLASS, scan::opae::CLASS],
            management: &[driver::node::DFL_FME, driver::node::OPAE_FME],
            slots: &[driver::node::DFL_PORT, driver::node::OPAE_PORT],
            uevents: &["dfl", "fpga", "intel-fpga", "intel_fpga"],
        }
    }

    fn edits(&self, slot: &Slot) -> Edits {
        Edits { nodes: slot.nodes.clone() }
    }

    fn programmer(&self) -> Option<&dyn Programmer> {
        Some(self)
    }
}
