//! Notices that somebody closed a port's node.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use tokio::sync::Notify;

/// Between two notices, so that nobody keeps the agent busy by closing ports.
const PAUSE: Duration = Duration::from_millis(100);

/// The watched nodes.
#[derive(Debug)]
pub(super) struct Closes {
    inotify: Arc<Inotify>,
    watches: BTreeMap<PathBuf, WatchDescriptor>,
    noticed: Arc<Notify>,
}

impl Closes {
    /// Nothing is watched yet.
    ///
    /// # Errors
    /// When inotify or a thread is unavailable.
    pub(super) fn new() -> io::Result<Self> {
        let inotify = Arc::new(Inotify::init(InitFlags::IN_CLOEXEC)?);
        let noticed = Arc::new(Notify::new());
        let (events, notice) = (Arc::clone(&inotify), Arc::clone(&noticed));
        let thread = thread::Builder::new().name("closes".to_owned());
        thread.spawn(move || follow(&events, &notice))?;
        Ok(Self { inotify, watches: BTreeMap::new(), noticed })
    }

    /// From now on these nodes are watched, and no others. One that cannot be is left out.
    pub(super) fn set(&mut self, nodes: BTreeSet<PathBuf>) -> io::Result<()> {
        let inotify = &self.inotify;
        self.watches.retain(|node, watch| {
            let keep = nodes.contains(node);
            if !keep {
                // Gone already when the node is.
                let _ = inotify.rm_watch(*watch);
            }
            keep
        });
        for node in nodes {
            let closes = AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_CLOSE_NOWRITE;
            // Again for those that are watched: there may be another node of the name now.
            match inotify.add_watch(&node, closes) {
                Ok(watch) => {
                    self.watches.insert(node, watch);
                }
                Err(Errno::ENOENT | Errno::EACCES) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits for a close, or several.
    pub(super) async fn next(&self) {
        self.noticed.notified().await;
    }
}

/// Ends when nothing can be read any more; then there are no more hints.
fn follow(inotify: &Inotify, noticed: &Notify) {
    loop {
        match inotify.read_events() {
            // The removal of a watch is reported, too.
            Ok(events) => {
                if events.iter().any(|event| !event.mask.contains(AddWatchFlags::IN_IGNORED)) {
                    noticed.notify_one();
                    thread::sleep(PAUSE);
                }
            }
            Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn closes_of_watched_nodes_are_noticed_and_others_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["a", "b"] {
            File::create(path(name)).unwrap();
        }
        let mut closes = Closes::new().unwrap();
        closes.set([path("a"), path("missing")].into()).unwrap();
        let open = File::open(path("a")).unwrap();
        drop(File::open(path("b")).unwrap());
        assert!(tokio::time::timeout(Duration::from_millis(50), closes.next()).await.is_err());
        drop(open);
        tokio::time::timeout(LIMIT, closes.next()).await.unwrap();

        closes.set([path("b")].into()).unwrap();
        drop(File::open(path("a")).unwrap());
        assert!(tokio::time::timeout(Duration::from_millis(50), closes.next()).await.is_err());
        drop(File::options().write(true).open(path("b")).unwrap());
        tokio::time::timeout(LIMIT, closes.next()).await.unwrap();
    }
}
