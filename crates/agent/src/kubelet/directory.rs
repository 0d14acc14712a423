//! Watches the directories of the sockets: for a kubelet that comes up, for sockets that vanish, and
//! for the directories themselves being made, removed and made again.
//!
//! The kubelet removes every socket when it starts and then makes its own, so both events matter.

use std::path::{Path, PathBuf};

use nix::sys::inotify::AddWatchFlags;
use tokio::sync::watch;

use crate::paths::{Happened, Paths};

/// Where the sockets are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sockets {
    /// Directory of the plugins' sockets.
    pub directory: PathBuf,
    pub kubelet: PathBuf,
}

/// Counts of what happened. They only grow, so that a reader that was busy misses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The kubelet's socket appeared.
    pub kubelet: u64,
    /// Something was removed from the plugins' directory, or the directory was replaced.
    pub removals: u64,
}

/// Starts to watch. What happens from now on is counted; directories that do not exist yet are fine.
#[must_use]
pub(crate) fn follow(sockets: Sockets, paths: &Paths) -> watch::Receiver<Seen> {
    let (sender, seen) = watch::channel(Seen { kubelet: 0, removals: 0 });
    let directories =
        [Some(sockets.directory.clone()), sockets.kubelet.parent().map(Path::to_owned)];
    let directories = directories.iter().flatten().map(PathBuf::as_path);
    paths.watch(directories, AddWatchFlags::empty(), move |happened| {
        let appeared = happened.iter().any(|event| sockets.is_kubelet(event));
        let removed = happened.iter().any(|event| sockets.is_removal(event));
        sender.send_if_modified(|seen| {
            seen.kubelet += u64::from(appeared);
            seen.removals += u64::from(removed);
            appeared || removed
        });
    });
    seen
}

impl Sockets {
    fn is_kubelet(&self, event: &Happened) -> bool {
        match event {
            Happened::Entry(path, mask) => {
                *path == self.kubelet
                    && mask.intersects(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO)
            }
            Happened::Appeared(path) => self.kubelet.parent() == Some(path),
            Happened::Vanished(_) => false,
            Happened::Overflow => true,
        }
    }

    fn is_removal(&self, event: &Happened) -> bool {
        match event {
            Happened::Entry(path, mask) => {
                path.parent() == Some(&self.directory)
                    && mask.intersects(AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM)
            }
            Happened::Appeared(path) | Happened::Vanished(path) => *path == self.directory,
            Happened::Overflow => true,
        }
    }
}

#[cfg(test)]
mod tests;
