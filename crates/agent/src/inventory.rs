//! The node's cards, always up to date, in a thread of its own: the library below is synchronous, and
//! what it reads may be slow.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fpga::board::Inventory;
use fpga::root::Root;
use fpga::scan::scan;
use fpga::watch::Watcher;
use tokio::sync::watch;

/// Wait after a watch that failed, which may be for want of memory and pass.
const AFTER_ERROR: Duration = Duration::from_secs(1);

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
) -> io::Result<watch::Receiver<Option<Arc<Inventory>>>> {
    let (sender, receiver) = watch::channel(None);
    thread::Builder::new().name("inventory".to_owned()).spawn(move || {
        // Set up before the first scan, so that nothing falls between the two.
        let mut watcher = Watcher::new(&root).map_err(|error| tell(&error, interval)).ok();
        let mut trouble = None;
        while !sender.is_closed() {
            publish(&sender, scan(&root));
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

fn publish(sender: &watch::Sender<Option<Arc<Inventory>>>, found: Inventory) {
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
