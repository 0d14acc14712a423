//! Watches the directories of the sockets: for a kubelet that comes up, for sockets that vanish, and
//! for the directories themselves being made, removed and made again.
//!
//! The kubelet removes every socket when it starts and then makes its own, so both events matter. A
//! directory's own watch says nothing about the directory being replaced, hence every directory above
//! it is watched as well.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::sync::{oneshot, watch};

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
    inotify: Inotify,
    sockets: Sockets,
    /// From the root of the file system down.
    levels: Vec<Level>,
    seen: watch::Sender<Seen>,
}

#[derive(Debug)]
struct Level {
    path: PathBuf,
    /// `None` while there is no such directory.
    watch: Option<WatchDescriptor>,
}

impl Watch {
    fn new(sockets: Sockets) -> io::Result<Self> {
        let directories = [Some(sockets.directory.as_path()), sockets.kubelet.parent()];
        // Paths sort component by component, so that each follows the ones above it.
        let paths: BTreeSet<&Path> =
            directories.into_iter().flatten().flat_map(Path::ancestors).collect();
        let levels =
            paths.into_iter().map(|path| Level { path: path.to_owned(), watch: None }).collect();
        let seen = watch::Sender::new(Seen { kubelet: 0, removals: 0 });
        let mut watch =
            Self { inotify: Inotify::init(InitFlags::IN_CLOEXEC)?, sockets, levels, seen };
        watch.arm();
        Ok(watch)
    }

    fn run(mut self) -> io::Error {
        loop {
            match self.inotify.read_events() {
                Ok(events) => self.take_in(&events),
                Err(Errno::EINTR) => {}
                Err(error) => return error.into(),
            }
        }
    }

    fn take_in(&mut self, events: &[InotifyEvent]) {
        let (mut appeared, mut removed, mut moved) = (false, false, false);
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                (appeared, removed, moved) = (true, true, true);
            }
            let level = self.levels.iter().find(|level| level.watch == Some(event.wd));
            let Some(level) = level else { continue };
            let Some(name) = &event.name else {
                // About the directory itself: it was moved or deleted, or its watch is gone with it.
                moved = true;
                continue;
            };
            let path = level.path.join(name);
            appeared |= path == self.sockets.kubelet
                && event.mask.intersects(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO);
            removed |= level.path == self.sockets.directory
                && event.mask.intersects(AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM);
            moved |= self.levels.iter().any(|level| level.path == path);
        }
        self.tell(appeared, removed);
        if moved {
            self.arm();
        }
    }

    /// Watches what is at each path now. For a directory that is watched already the kernel answers
    /// with the same descriptor, so another descriptor means another directory.
    fn arm(&mut self) {
        let (mut appeared, mut removed) = (false, false);
        for level in &mut self.levels {
            let watch = match self.inotify.add_watch(&level.path, mask()) {
                Ok(watch) => Some(watch),
                Err(error) => {
                    tracing::debug!(path = %level.path.display(), %error, "directory is not watched");
                    None
                }
            };
            let before = std::mem::replace(&mut level.watch, watch);
            if before == watch {
                continue;
            }
            if let Some(before) = before {
                // Fails when the directory is gone, whose watch went with it.
                let _ = self.inotify.rm_watch(before);
            }
            appeared |= watch.is_some() && self.sockets.kubelet.parent() == Some(&level.path);
            removed |= level.path == self.sockets.directory;
        }
        self.tell(appeared, removed);
    }

    fn tell(&self, appeared: bool, removed: bool) {
        self.seen.send_if_modified(|seen| {
            seen.kubelet += u64::from(appeared);
            seen.removals += u64::from(removed);
            appeared || removed
        });
    }
}

fn mask() -> AddWatchFlags {
    AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF
        | AddWatchFlags::IN_ONLYDIR
}

#[cfg(test)]
mod tests;
