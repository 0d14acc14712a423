//! Watches directories that may not exist yet, be removed, and be made again.
//!
//! A directory's own watch says nothing about the directory being replaced: the removal of one that
//! something still refers to is told to its parent only. So the parent is watched as well. The
//! directories further up are asked what happens in them only while one below is missing, because
//! there may be a lot of coming and going of others; at other times they tell only of themselves.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

/// A set of watched directories.
#[derive(Debug)]
pub(crate) struct Directories {
    inotify: Inotify,
    /// From the root of the file system down.
    levels: Vec<Level>,
}

/// What happened in or to a watched directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happened {
    /// Something happened to this file, or directory, in it.
    Entry(PathBuf, AddWatchFlags),
    /// There is another directory at this path than before, or there is one now.
    Appeared(PathBuf),
    /// There is no directory at this path any more.
    Vanished(PathBuf),
    /// Events were lost.
    Overflow,
}

#[derive(Debug)]
struct Level {
    path: PathBuf,
    mask: AddWatchFlags,
    /// It is wanted, or the parent of one that is.
    near: bool,
    /// `None` while there is no such directory.
    watch: Option<WatchDescriptor>,
}

impl Directories {
    /// Starts to watch directories, by their absolute paths, for what comes and goes in them and for
    /// `more`. Those that do not exist yet are fine.
    ///
    /// # Errors
    /// When inotify is not to be had, as when the user's instances are used up
    /// (`fs.inotify.max_user_instances`).
    pub(crate) fn new<'a>(
        directories: impl IntoIterator<Item = &'a Path>,
        more: AddWatchFlags,
    ) -> io::Result<Self> {
        let wanted: BTreeSet<&Path> = directories.into_iter().collect();
        // Paths sort component by component, so that each follows the ones above it.
        let paths: BTreeSet<&Path> = wanted.iter().flat_map(|path| path.ancestors()).collect();
        let level = |path: &Path| Level {
            path: path.to_owned(),
            mask: if wanted.contains(path) {
                itself() | content() | more
            } else {
                itself() | content()
            },
            near: wanted.iter().any(|leaf| *leaf == path || leaf.parent() == Some(path)),
            watch: None,
        };
        let levels = paths.into_iter().map(level).collect();
        let mut directories = Self { inotify: Inotify::init(InitFlags::IN_CLOEXEC)?, levels };
        directories.arm();
        Ok(directories)
    }

    /// Waits until something happens.
    ///
    /// # Errors
    /// When events can no longer be read.
    pub(crate) fn wait(&mut self) -> io::Result<Vec<Happened>> {
        loop {
            match self.inotify.read_events() {
                Ok(events) => return Ok(self.take_in(&events)),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take_in(&mut self, events: &[InotifyEvent]) -> Vec<Happened> {
        let (mut happened, mut moved) = (Vec::new(), false);
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                happened.push(Happened::Overflow);
                moved = true;
            }
            let level = self.levels.iter().find(|level| level.watch == Some(event.wd));
            let Some(level) = level else { continue };
            let Some(name) = &event.name else {
                // About the directory itself: it was moved or deleted, or its watch is gone with it.
                moved = true;
                continue;
            };
            let path = level.path.join(name);
            moved |= self.levels.iter().any(|level| level.path == path);
            happened.push(Happened::Entry(path, event.mask));
        }
        if moved {
            happened.extend(self.arm());
        }
        happened
    }

    /// Watches what is at each path now. For a directory that is watched already the kernel answers
    /// with the same descriptor, so another descriptor means another directory.
    fn arm(&mut self) -> Vec<Happened> {
        let mut happened = Vec::new();
        for level in &mut self.levels {
            let watch = match self.inotify.add_watch(&level.path, level.mask) {
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
            let path = level.path.clone();
            happened.push(match watch {
                Some(_) => Happened::Appeared(path),
                None => Happened::Vanished(path),
            });
        }
        self.quieten();
        happened
    }

    /// Stops listening to what happens far above, while all directories are there. What happened until
    /// now has been queued.
    fn quieten(&self) {
        if self.levels.iter().any(|level| level.near && level.watch.is_none()) {
            return;
        }
        // By way of a symbolic link, a directory may be both near and far.
        let near: Vec<_> = self.levels.iter().filter(|l| l.near).map(|l| l.watch).collect();
        for level in self.levels.iter().filter(|l| l.watch.is_some() && !near.contains(&l.watch)) {
            if let Err(error) = self.inotify.add_watch(&level.path, itself()) {
                tracing::debug!(path = %level.path.display(), %error, "directory is watched too closely");
            }
        }
    }
}

/// What happens to a directory itself.
fn itself() -> AddWatchFlags {
    AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_ONLYDIR
}

/// What happens to the names in it.
fn content() -> AddWatchFlags {
    AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_MOVED_TO
}
