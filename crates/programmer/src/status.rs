//! What is known of the node's devices.

use fpga::ledger::Entry;
use fpga::program::Target;
use fpga::root::Root;
use fpga::scan::scan;

use crate::message::{Slot, Status};

/// The slots of all cards, with what the ledger says of each.
pub(crate) fn status(root: &Root) -> Status {
    let inventory = scan(root);
    let slots = inventory.slots().map(|(card, slot)| {
        let target = Target::new(root, card, slot);
        let entry = target.entry();
        let entry = entry.as_ref();
        let image = entry.and_then(|entry| entry.image(&target.binding(), &slot.function));
        Slot {
            device: target.id(),
            state: entry.map(|entry| entry.state),
            holder: entry.and_then(Entry::holder).cloned(),
            image: image.map(|image| image.digest),
        }
    });
    Status { version: env!("CARGO_PKG_VERSION").to_owned(), slots: slots.collect() }
}
