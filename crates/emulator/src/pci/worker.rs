//! The thread that lets a card's functions work.

use std::sync::Weak;
use std::time::{Duration, Instant};

use super::board::{Board, Progress};

/// How often registers are looked at while a function works, and once it has been quiet for a while.
const BUSY: Duration = Duration::from_micros(20);
const QUIET: Duration = Duration::from_millis(1);
const QUIET_AFTER: Duration = Duration::from_millis(50);
/// How long to wait for a function that may have work before it is checked that the card is still there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Works until the card is dropped.
pub(super) fn run(board: &Weak<Board>) {
    // Short waits need a timer slack below the default of 50 microseconds.
    let _default_slack = nix::sys::prctl::set_timerslack(1000);
    let mut last_active = Instant::now();
    while let Some(board) = board.upgrade() {
        let progress = board.work(PATIENCE);
        drop(board);
        let now = Instant::now();
        match progress {
            Progress::Working => last_active = now,
            Progress::Watching if now - last_active < QUIET_AFTER => std::thread::sleep(BUSY),
            Progress::Watching => std::thread::sleep(QUIET),
            Progress::Waited => {}
        }
    }
}
