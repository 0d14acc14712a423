//! Supervised programs that write to a file that is for all cards: one after the other.
//!
//! The file holds one text. Without this, a program that opens it while another one's text was not yet read would
//! wipe that out.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Shared;
use super::opens::{Inode, is_alive};

/// Who keeps the file open for longer gets company, and so does who could not open it.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_micros(200);

/// The last one that was let through to each file.
#[derive(Default)]
pub(super) struct Writers(Mutex<Vec<Turn>>);

struct Turn {
    file: Inode,
    process: u32,
    since: Instant,
    /// Writes to the file that had been read by then.
    writes: u64,
}

impl Writers {
    /// Waits until the writer before this one is done, if `file` is such a file.
    pub(super) fn wait(&self, shared: &Shared, file: Inode, process: u32) {
        let count = || shared.shown.tree(|t| t.bus_writes(file)).flatten();
        if count().is_none() {
            return;
        }
        // Held while waiting, so that those who wait are let through one by one, too.
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = turns.iter().position(|t| t.file == file) {
            let before = turns.swap_remove(at);
            while count().is_some_and(|writes| writes == before.writes) && before.may_write() {
                std::thread::sleep(POLL);
                shared.shown.take_writes(&shared.kernel);
            }
        }
        let writes = count().unwrap_or_default();
        turns.push(Turn { file, process, since: Instant::now(), writes });
    }
}

impl Turn {
    fn may_write(&self) -> bool {
        self.since.elapsed() < PATIENCE && is_alive(self.process)
    }
}
