//! Regions that are busy: for a moment, or for good.

use std::thread;
use std::time::Duration;

use fpga::board::{Board, Function, Port};
use fpga::program::is_programming;
use fpga::root::Root;
use fpga::scan::scan;

/// Between two checks of a region that is busy: it may have been programmed between the check of the region and
/// that of the card.
const PAUSE: Duration = Duration::from_millis(500);

/// True when the region behind a busy port is not being programmed, but was left so.
pub(super) fn is_disabled(root: &Root, board: &Board, port: &Port) -> bool {
    !is_programming(root, board) && !is_busy_no_more(root, &port.node.name)
}

/// True when the port called `name` is not busy any more a moment later.
pub(super) fn is_busy_no_more(root: &Root, name: &str) -> bool {
    thread::sleep(PAUSE);
    let again = scan(root);
    let mut ports = again.boards.iter().flat_map(|board| &board.ports);
    ports.any(|other| other.node.name == name && other.function != Function::Busy)
}
