//! Watches the directories of the sockets: for a kubelet that comes up, for sockets that vanish, and
//! for the directories themselves being made, removed and made again.
//!
//! The kubelet removes every socket when it starts and then makes its own, so both events matter.

use std::io;
use std::path::PathBuf;
use std::thread;

use nix::sys::inotify::AddWatchFlags;
use tokio::sync::{oneshot, watch};

use crate::paths::{Directories, Happened};

/// Where the sockets are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sockets {
    /// Directory of the plugins' sockets.
    pub directory: PathBuf,
    /// The kubelet's socket.
    pub kubelet: PathBuf,
}

/// Counts of what happened. They only grow, so that a reader that was busy misses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The kubelet's socket appeared.
    pub kubelet: u64,
    /// Something was removed from the plugins' directory, or the directory was replaced.
    pub removals: u64,
}

/// Starts to watch. What happens from now on is told; directories that do not exist yet are fine.
///
/// The second value is the reason when events can no longer be read.
///
/// # Errors
/// When inotify is not to be had, as when the user's instances are used up
/// (`fs.inotify.max_user_instances`), or a thread.
pub fn follow(
    sockets: Sockets,
) -> io::Result<(watch::Receiver<Seen>, oneshot::Receiver<io::Error>)> {
    let watch = Watch::new(sockets)?;
    let seen = watch.seen.subscribe();
    let (failed, failure) = oneshot::channel();
    thread::Builder::new().name("sockets".to_owned()).spawn(move || {
        // Nobody listens when the agent is about to end.
        let _ = failed.send(watch.run());
    })?;
    Ok((seen, failure))
}

#[derive(Debug)]
struct Watch {
    directories: Directories,
    sockets: Sockets,
    seen: watch::Sender<Seen>,
}

impl Watch {
    fn new(sockets: Sockets) -> io::Result<Self> {
        let paths = [Some(sockets.directory.as_path()), sockets.kubelet.parent()];
        let directories = Directories::new(paths.into_iter().flatten(), AddWatchFlags::empty())?;
        let seen = watch::Sender::new(Seen { kubelet: 0, removals: 0 });
        Ok(Self { directories, sockets, seen })
    }

    fn run(mut self) -> io::Error {
        loop {
            match self.directories.wait() {
                Ok(happened) => self.tell(&happened),
                Err(error) => return error,
            }
        }
    }

    fn tell(&self, happened: &[Happened]) {
        let appeared = happened.iter().any(|event| self.is_kubelet(event));
        let removed = happened.iter().any(|event| self.is_removal(event));
        self.seen.send_if_modified(|seen| {
            seen.kubelet += u64::from(appeared);
            seen.removals += u64::from(removed);
            appeared || removed
        });
    }

    fn is_kubelet(&self, event: &Happened) -> bool {
        match event {
            Happened::Entry(path, mask) => {
                *path == self.sockets.kubelet
                    && mask.intersects(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO)
            }
            Happened::Appeared(path) => self.sockets.kubelet.parent() == Some(path),
            Happened::Vanished(_) => false,
            Happened::Overflow => true,
        }
    }

    fn is_removal(&self, event: &Happened) -> bool {
        match event {
            Happened::Entry(path, mask) => {
                path.parent() == Some(&self.sockets.directory)
                    && mask.intersects(AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM)
            }
            Happened::Appeared(path) | Happened::Vanished(path) => *path == self.sockets.directory,
            Happened::Overflow => true,
        }
    }
}

#[cfg(test)]
mod tests;
