//! Watches directories that may not exist yet, be removed, and be made again: one inotify instance and one thread for
//! all that the agent follows.
//!
//! A directory's own watch says nothing about the directory being replaced: the removal of one that
//! something still refers to is reported to its parent only. So the parent is watched as well. The
//! directories further up are asked what happens in them only while one below is missing, because
//! there may be a lot of coming and going of others; at other times they report only on themselves.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::sync::oneshot;

/// The watched directories. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Paths(Arc<Shared>);

/// What happened in or to a watched directory, or one above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happened {
    /// Something happened to this file, or directory, in it.
    Entry(PathBuf, AddWatchFlags),
    /// There is a different directory at this path than before, or there is one now.
    Appeared(PathBuf),
    /// There is no directory at this path any more.
    Vanished(PathBuf),
    /// Events were lost.
    Overflow,
}

#[derive(Debug)]
struct Shared {
    inotify: Inotify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is asked of each directory beyond what comes and goes in it.
    wanted: BTreeMap<PathBuf, AddWatchFlags>,
    /// From the root of the file system down.
    levels: Vec<Level>,
    listeners: Vec<Listener>,
}

type Listener = Box<dyn Fn(&[Happened]) + Send>;

#[derive(Debug)]
struct Level {
    path: PathBuf,
    mask: AddWatchFlags,
    /// It is wanted, or the parent of one that is.
    near: bool,
    /// `None` while there is no such directory.
    watch: Option<WatchDescriptor>,
}

impl Paths {
    /// Watches nothing yet. The second value is the reason when events can no longer be read.
    ///
    /// # Errors
    /// When inotify is unavailable, as when the user's instances are used up
    /// (`fs.inotify.max_user_instances`), or a thread.
    pub(crate) fn new() -> io::Result<(Self, oneshot::Receiver<io::Error>)> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
        let shared = Arc::new(Shared { inotify, state: Mutex::default() });
        let (failed, failure) = oneshot::channel();
        let follower = Arc::clone(&shared);
        thread::Builder::new().name("paths".to_owned()).spawn(move || {
            // Nobody listens when the agent is about to end.
            let _ = failed.send(follower.run());
        })?;
        Ok((Self(shared), failure))
    }

    /// Starts to watch directories, by their absolute paths, for what comes and goes in them and for `more`.
    /// Those that do not exist yet are fine. From now on `listener` gets what happens to all that are watched; the
    /// thread waits for it, so it must not block.
    pub(crate) fn watch<'a>(
        &self,
        directories: impl IntoIterator<Item = &'a Path>,
        more: AddWatchFlags,
        listener: impl Fn(&[Happened]) + Send + 'static,
    ) {
        let mut state = self.0.lock();
        for directory in directories {
            let asked = state.wanted.entry(directory.to_owned()).or_insert(AddWatchFlags::empty());
            *asked |= more;
        }
        state.layer();
        let happened = state.arm(&self.0.inotify);
        state.deliver(&happened);
        state.listeners.push(Box::new(listener));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) -> io::Error {
        loop {
            match self.inotify.read_events() {
                Ok(events) => {
                    let mut state = self.lock();
                    let happened = state.take_in(&self.inotify, &events);
                    state.deliver(&happened);
                }
                Err(Errno::EINTR) => {}
                Err(error) => return error.into(),
            }
        }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("levels", &self.levels).finish_non_exhaustive()
    }
}

impl State {
    /// Makes the levels of what is wanted; those that stay keep their watches.
    fn layer(&mut self) {
        let mut before: BTreeMap<PathBuf, Option<WatchDescriptor>> =
            std::mem::take(&mut self.levels).into_iter().map(|l| (l.path, l.watch)).collect();
        let mut masks: BTreeMap<&Path, AddWatchFlags> = BTreeMap::new();
        for (directory, more) in &self.wanted {
            for above in directory.ancestors() {
                *masks.entry(above).or_insert(itself() | content()) |=
                    if above == directory { *more } else { AddWatchFlags::empty() };
            }
        }
        let is_near = |path: &Path| {
            self.wanted.keys().any(|leaf| leaf == path || leaf.parent() == Some(path))
        };
        // Paths sort component by component, so that each follows the ones above it.
        let level = |(path, mask): (&Path, AddWatchFlags)| Level {
            path: path.to_owned(),
            mask,
            near: is_near(path),
            watch: before.remove(path).flatten(),
        };
        self.levels = masks.into_iter().map(level).collect();
    }

    fn deliver(&self, happened: &[Happened]) {
        if !happened.is_empty() {
            for listener in &self.listeners {
                listener(happened);
            }
        }
    }

    fn take_in(&mut self, inotify: &Inotify, events: &[InotifyEvent]) -> Vec<Happened> {
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
            happened.extend(self.arm(inotify));
        }
        happened
    }

    /// Watches what is at each path now. For a directory that is watched already the kernel answers
    /// with the same descriptor, so a different descriptor means a different directory.
    fn arm(&mut self, inotify: &Inotify) -> Vec<Happened> {
        let mut happened = Vec::new();
        for level in &mut self.levels {
            let watch = match inotify.add_watch(&level.path, level.mask) {
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
                let _ = inotify.rm_watch(before);
            }
            let path = level.path.clone();
            happened.push(match watch {
                Some(_) => Happened::Appeared(path),
                None => Happened::Vanished(path),
            });
        }
        self.quieten(inotify);
        happened
    }

    /// Stops listening to what happens far above directories that are all there. What happened until
    /// now has been queued.
    fn quieten(&self, inotify: &Inotify) {
        // By way of a symbolic link, a directory may be both near and far.
        let near: Vec<_> = self.levels.iter().filter(|l| l.near).map(|l| l.watch).collect();
        let is_missing = |above: &Path| {
            let mut near = self.levels.iter().filter(|level| level.near && level.watch.is_none());
            near.any(|level| level.path.starts_with(above))
        };
        for level in self.levels.iter().filter(|l| l.watch.is_some() && !near.contains(&l.watch)) {
            if is_missing(&level.path) {
                continue;
            }
            if let Err(error) = inotify.add_watch(&level.path, itself()) {
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
