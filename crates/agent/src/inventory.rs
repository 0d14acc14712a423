//! The node's cards, always up to date, in a thread of its own: the library below is synchronous, and
//! what it reads may be slow.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fpga::board::Inventory;
use fpga::root::Root;
use fpga::scan::scan;
use fpga::watch::Watcher;
use tokio::sync::watch;

use busy::Busy;

mod busy;

/// Wait after a watch that failed, which may be for want of memory and pass.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// What the node has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The cards.
    pub inventory: Inventory,
    /// Names of the ports that are out of use since a programming that failed.
    pub disabled: BTreeSet<String>,
}

/// Starts scanning. The value is `None` until the first scan is done, and changes when the node does;
/// the thread ends some time after the last receiver is gone.
///
/// The node is scanned when the kernel reports a change, and every `interval` in case a report is
/// missing.
///
/// # Errors
/// When the thread cannot be started.
pub fn follow(
    root: Root,
    interval: Duration,
) -> io::Result<watch::Receiver<Option<Arc<Snapshot>>>> {
    let (sender, receiver) = watch::channel(None);
    thread::Builder::new().name("inventory".to_owned()).spawn(move || {
        // Set up before the first scan, so that nothing falls between the two.
        let mut watcher = Watcher::new(&root).map_err(|error| tell(&error, interval)).ok();
        let mut trouble = None;
        let mut busy = Busy::default();
        while !sender.is_closed() {
            let inventory = scan(&root);
            busy.look(&root, &inventory, Instant::now());
            publish(&sender, Snapshot { inventory, disabled: busy.disabled() });
            let interval = busy.look_again().map_or(interval, |soon| soon.min(interval));
            match watcher.as_mut().map(|watcher| watcher.wait(Some(interval))) {
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    if trouble.replace(error.to_string()) != Some(error.to_string()) {
                        tell(&error, interval);
                    }
                    thread::sleep(interval.min(AFTER_ERROR));
                }
                None => thread::sleep(interval),
            }
        }
    })?;
    Ok(receiver)
}

fn publish(sender: &watch::Sender<Option<Arc<Snapshot>>>, found: Snapshot) {
    sender.send_if_modified(|current| {
        let changed = current.as_deref() != Some(&found);
        if changed {
            *current = Some(Arc::new(found));
        }
        changed
    });
}

fn tell(error: &io::Error, interval: Duration) {
    tracing::warn!("some changes on the node may be noticed only every {interval:?}: {error}");
}
