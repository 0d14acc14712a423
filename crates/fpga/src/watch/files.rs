//! File events: of device nodes, and of a fake sysfs.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{
    AddWatchFlags as Flags, InitFlags, Inotify, InotifyEvent, WatchDescriptor,
};

use super::interest::{Interest, MOVED, Verdict, is_management};
use crate::ledger;
use crate::root::Root;
use crate::stack;

/// Directories of sysfs that a scan does not read: what changes in them all the time is no change.
const UNREAD: [&str; 2] = ["hwmon", "power"];

/// No device is this deep; a loop of mounts could be.
const DEEPEST: usize = 32;

/// The watches on the trees of a root.
pub(super) struct Files {
    inotify: Inotify,
    sys: Option<PathBuf>,
    classes: Vec<PathBuf>,
    dev: PathBuf,
    ledger: PathBuf,
    watches: HashMap<WatchDescriptor, Interest>,
    /// Management nodes that a program of ours is about to close.
    closing: BTreeSet<OsString>,
    /// Those that others closed after writing, or may have.
    closed: BTreeSet<OsString>,
}

impl Files {
    /// Watches the device nodes of `root` and, when `with_sys`, its sysfs.
    pub(super) fn new(root: &Root, with_sys: bool) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .map_err(|error| limit(error, Errno::EMFILE, "fs.inotify.max_user_instances"))?;
        let absolute = |path: &Path| std::path::absolute(path);
        let mut files = Self {
            inotify,
            sys: with_sys.then(|| absolute(root.sys())).transpose()?,
            classes: stack::classes(root)
                .iter()
                .map(|class| absolute(class))
                .collect::<io::Result<_>>()?,
            dev: absolute(root.dev())?,
            ledger: absolute(root.ledger().directory())?,
            watches: HashMap::new(),
            closing: BTreeSet::new(),
            closed: BTreeSet::new(),
        };
        files.sync()?;
        Ok(files)
    }

    /// Takes the events there are; true when one of them matters.
    pub(super) fn drain(&mut self) -> io::Result<bool> {
        let mut sum = Verdict::default();
        loop {
            let events = match self.inotify.read_events() {
                Ok(events) => events,
                Err(Errno::EAGAIN) => return Ok(sum.changed),
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let mut verdicts = Vec::with_capacity(events.len());
            for event in &events {
                verdicts.push(self.verdict(event));
            }
            let batch = verdicts.into_iter().fold(Verdict::default(), |a, b| Verdict {
                changed: a.changed || b.changed,
                moved: a.moved || b.moved,
            });
            sum.changed |= batch.changed;
            if batch.moved {
                self.sync()?;
            }
        }
    }

    /// The management nodes that others closed after writing since this was last called, and those that were not
    /// watched all the time.
    pub(super) fn take_closed(&mut self) -> BTreeSet<OsString> {
        std::mem::take(&mut self.closed)
    }

    fn verdict(&mut self, event: &InotifyEvent) -> Verdict {
        if event.mask.contains(Flags::IN_Q_OVERFLOW) {
            self.closing.clear();
            self.closed.extend(self.watches.values().filter_map(management).cloned());
            return MOVED;
        }
        let Some(interest) = self.watches.get(&event.wd) else { return Verdict::default() };
        let name = event.name.as_deref();
        let verdict = interest.verdict(event.mask, name);
        match interest {
            // What a program of ours says is good for one close.
            Interest::Management(node) if verdict.changed && !self.closing.remove(node) => {
                self.closed.insert(node.clone());
            }
            Interest::Ledger => self.note(event.mask, name),
            _ => {}
        }
        verdict
    }

    /// What a program of ours says of a management node, in the order of the events.
    fn note(&mut self, event: Flags, name: Option<&OsStr>) {
        let Some(node) = name.and_then(ledger::closing_node) else { return };
        if event.contains(Flags::IN_CLOSE_WRITE) {
            self.closing.insert(node);
        } else {
            self.closing.remove(&node);
        }
    }

    /// Makes the watches fit what exists now. A directory is watched before it is listed, so that what
    /// appears meanwhile is either listed or an event.
    fn sync(&mut self) -> io::Result<()> {
        let mut sync = Sync { inotify: &self.inotify, watches: HashMap::new() };
        if let Some(sys) = &self.sys {
            sync.way_to(sys)?;
            for class in &self.classes {
                sync.way_within(sys, class)?;
                sync.tree(class, 0)?;
            }
            let devices = sys.join("devices");
            sync.way_within(sys, &devices)?;
            sync.tree(&devices, 0)?;
        }
        sync.way_to(&self.dev)?;
        sync.nodes(&self.dev)?;
        sync.way_to(&self.ledger)?;
        sync.add(&self.ledger, Interest::Ledger)?;
        let found = sync.watches.iter().filter(|(watch, _)| !self.watches.contains_key(watch));
        self.closed.extend(found.filter_map(|(_, interest)| management(interest)).cloned());
        let old = std::mem::replace(&mut self.watches, sync.watches);
        for watch in old.into_keys().filter(|watch| !self.watches.contains_key(watch)) {
            // It is gone already when its file is.
            let _ = self.inotify.rm_watch(watch);
        }
        Ok(())
    }
}

impl AsFd for Files {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

struct Sync<'a> {
    inotify: &'a Inotify,
    watches: HashMap<WatchDescriptor, Interest>,
}

impl Sync<'_> {
    /// Watches what is above `path`: the directory it is in, or the nearest that exists, for its
    /// appearing, and those above for their own removal.
    fn way_to(&mut self, path: &Path) -> io::Result<()> {
        let mut awaited = true;
        for child in path.ancestors() {
            let (Some(dir), Some(name)) = (child.parent(), child.file_name()) else { break };
            let interest = if awaited { Interest::name(name) } else { Interest::Itself };
            awaited &= !self.add(dir, interest)?;
        }
        Ok(())
    }

    /// Watches the directories from `top` down to `path` for the next one on the way.
    fn way_within(&mut self, top: &Path, path: &Path) -> io::Result<()> {
        for child in path.ancestors().take_while(|child| *child != top) {
            if let (Some(dir), Some(name)) = (child.parent(), child.file_name()) {
                self.add(dir, Interest::name(name))?;
            }
        }
        Ok(())
    }

    /// Watches a directory and those below it.
    fn tree(&mut self, dir: &Path, depth: usize) -> io::Result<()> {
        if depth > DEEPEST || !self.add(dir, Interest::Everything)? {
            return Ok(());
        }
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let is_read = !UNREAD.iter().any(|name| entry.file_name() == *name);
            if is_read && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.tree(&entry.path(), depth + 1)?;
            }
        }
        Ok(())
    }

    /// Watches a directory of device nodes, and the management nodes in it.
    fn nodes(&mut self, dev: &Path) -> io::Result<()> {
        self.add(dev, Interest::Nodes)?;
        for entry in fs::read_dir(dev).into_iter().flatten().flatten() {
            if is_management(&entry.file_name()) {
                self.add(&entry.path(), Interest::Management(entry.file_name()))?;
            }
        }
        Ok(())
    }

    /// True when `path` exists and could be watched.
    fn add(&mut self, path: &Path, interest: Interest) -> io::Result<bool> {
        let Some(watch) = self.watch(path, &interest)? else { return Ok(false) };
        let both = match self.watches.remove(&watch) {
            None => interest,
            Some(earlier) => {
                let both = earlier.merged(interest);
                self.watch(path, &both)?;
                both
            }
        };
        self.watches.insert(watch, both);
        Ok(true)
    }

    fn watch(&self, path: &Path, interest: &Interest) -> io::Result<Option<WatchDescriptor>> {
        match self.inotify.add_watch(path, interest.flags()) {
            Ok(watch) => Ok(Some(watch)),
            // Gone, or not for us: a scan says so.
            Err(
                Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::ELOOP | Errno::ENAMETOOLONG,
            ) => Ok(None),
            Err(error) => Err(limit(error, Errno::ENOSPC, "fs.inotify.max_user_watches")),
        }
    }
}

/// The management node that is watched.
fn management(interest: &Interest) -> Option<&OsString> {
    match interest {
        Interest::Management(node) => Some(node),
        _ => None,
    }
}

/// The error, with the sysctl to raise when it is `exhausted`.
fn limit(error: Errno, exhausted: Errno, sysctl: &str) -> io::Error {
    if error == exhausted {
        return io::Error::other(format!("inotify: {}: raise {sysctl}", error.desc()));
    }
    io::Error::other(format!("inotify: {}", error.desc()))
}
