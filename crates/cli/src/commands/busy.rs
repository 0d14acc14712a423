//! Regions that are busy: for a moment, or for good.

use std::thread;
use std::time::Duration;

use fpga::card::{Card, Function, Slot};
use fpga::program::is_programming;
use fpga::root::Root;
use fpga::scan::scan;

/// Between two checks of a region that is busy: it may have been programmed between the check of the region and
/// that of the card.
const PAUSE: Duration = Duration::from_millis(500);

/// True when the region of a busy slot is not being programmed, but was left so.
pub(super) fn is_disabled(root: &Root, card: &Card, slot: &Slot) -> bool {
    !is_programming(root, card) && !is_busy_no_more(root, &slot.name)
}

/// True when the slot called `name` is not busy any more a moment later.
pub(super) fn is_busy_no_more(root: &Root, name: &str) -> bool {
    thread::sleep(PAUSE);
    let again = scan(root);
    again.slots().any(|(_, slot)| slot.name == name && slot.function != Function::Busy)
}
