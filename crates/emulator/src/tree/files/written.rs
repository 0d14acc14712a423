//! Writes by others to the files of a tree.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::super::Error;
use super::super::sheet::{Entry, Sheet};
use super::{Inode, Tree};
use crate::host::{BusFile, Node, Target};

/// Longest text that one write(2) gives to an attribute: a page (`fs/kernfs/file.c`).
const PAGE: usize = 4096;

/// A write to an attribute by somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What it acts on.
    pub target: Target,
    /// What was written.
    pub text: Vec<u8>,
    /// The attribute, from the root.
    pub path: String,
}

/// A file that belongs to no card and can only be written.
pub(super) struct Bus {
    file: BusFile,
    /// How we read it.
    open: File,
    inode: Inode,
    /// How many writes were taken from it.
    writes: u64,
}

impl Tree {
    /// Notices writes to attributes and closing of nodes from now on; read them with [`Tree::written`] and
    /// [`Tree::closed`] when the returned object is readable.
    ///
    /// # Errors
    /// When the kernel refuses an inotify instance or a watch.
    pub fn watch(&mut self) -> Result<Arc<Inotify>, Error> {
        let root = self.root.clone();
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .map_err(|e| Error::io(&root)(e.into()))?;
        let inotify = Arc::new(inotify);
        self.inotify = Some(Arc::clone(&inotify));
        let bus: Vec<String> = self.bus.keys().cloned().collect();
        self.watch_parents(bus.iter().map(String::as_str))?;
        let sheets: Vec<Sheet> = self.cards.iter().map(|(_, s)| s.clone()).collect();
        for sheet in &sheets {
            self.watch_directories(sheet.0.iter())?;
            let nodes = sheet.0.iter().filter(|(_, entry)| matches!(entry, Entry::Node(_)));
            for (path, _) in nodes {
                let path = self.root.join(path);
                let m = fs::metadata(&path).map_err(Error::io(&path))?;
                let watched = self.nodes.watch(&inotify, (m.dev(), m.ino()), &path);
                watched.map_err(|e| Error::io(&path)(e.into()))?;
            }
        }
        Ok(inotify)
    }

    /// Watches where there are attributes that can be written.
    pub(super) fn watch_directories<'a>(
        &mut self,
        entries: impl Iterator<Item = (&'a String, &'a Entry)>,
    ) -> Result<(), Error> {
        let writable = entries.filter(|(_, e)| matches!(e, Entry::File { store: Some(_), .. }));
        self.watch_parents(writable.map(|(path, _)| path.as_str()))
    }

    fn watch_parents<'a>(&mut self, files: impl Iterator<Item = &'a str>) -> Result<(), Error> {
        let Some(inotify) = self.inotify.clone() else { return Ok(()) };
        let directories: BTreeSet<&str> =
            files.filter_map(|p| p.rsplit_once('/').map(|(dir, _)| dir)).collect();
        for dir in directories {
            let path = self.root.join(dir);
            let watch = inotify
                .add_watch(&path, AddWatchFlags::IN_CLOSE_WRITE)
                .map_err(|e| Error::io(&path)(e.into()))?;
            self.watched.insert(watch, dir.to_owned());
        }
        Ok(())
    }

    /// The writes since the last call. The attributes written to count as changed, so that the next
    /// [`Tree::sync`] shows their true value again.
    pub fn written(&mut self) -> Vec<Written> {
        let mut found: Vec<Written> = Vec::new();
        let Some(inotify) = self.inotify.clone() else { return found };
        while let Ok(events) = inotify.read_events() {
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    self.nodes.assume_closed();
                    continue;
                }
                if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                    self.watched.remove(&event.wd);
                    continue;
                }
                if self.nodes.take_event(event.wd) {
                    continue;
                }
                let Some((dir, name)) = self.watched.get(&event.wd).zip(event.name) else {
                    continue;
                };
                let path = format!("{dir}/{}", name.to_string_lossy());
                found.extend(self.take_write(path));
            }
        }
        found
    }

    /// The nodes that somebody closed, as [`Tree::written`] met it; others may still have them open.
    pub fn closed(&mut self) -> BTreeSet<Node> {
        self.nodes.take_closed()
    }

    /// How many writes were taken from a file that belongs to no card; `None` for all others.
    #[must_use]
    pub fn bus_writes(&self, inode: (u64, u64)) -> Option<u64> {
        self.bus.values().find(|bus| bus.inode == inode).map(|bus| bus.writes)
    }

    fn take_write(&mut self, path: String) -> Option<Written> {
        let target = self.target_of(&path)?;
        let text = match target {
            Target::Card(card, _) => self.take_text(card, &path)?,
            Target::Bus(_) => self.bus.get_mut(&path)?.take().ok()?,
        };
        Some(Written { target, text, path })
    }

    /// What is in a card's attribute, which will be replaced.
    fn take_text(&mut self, card: usize, path: &str) -> Option<Vec<u8>> {
        let file = self.root.join(path);
        // An attribute that is only writable is so for us too, unless we are root.
        let found = fs::set_permissions(&file, Permissions::from_mode(0o600))
            .and_then(|()| fs::read(&file))
            .ok()?;
        let (revision, sheet) = &mut self.cards[card];
        if let Some(Entry::File { text, mode, .. }) = sheet.0.get_mut(path) {
            // No attribute has this mode, so it differs from what should be there.
            (*text, *mode) = (String::from_utf8_lossy(&found).into_owned(), 0o600);
        }
        *revision = u64::MAX;
        Some(found)
    }

    /// What a write to the file at `path` acts on; see [`Tree::locate`] for the path.
    #[must_use]
    pub fn target(&self, path: &Path) -> Option<Target> {
        self.target_of(&self.resolve(path)?)
    }

    fn target_of(&self, path: &str) -> Option<Target> {
        if let Some(bus) = self.bus.get(path) {
            return Some(Target::Bus(bus.file));
        }
        self.cards.iter().enumerate().find_map(|(card, (_, sheet))| match sheet.0.get(path) {
            Some(Entry::File { store: Some(store), .. }) => Some(Target::Card(card, *store)),
            _ => None,
        })
    }
}

impl Bus {
    pub(super) fn make(file: BusFile, path: &Path) -> std::io::Result<Self> {
        let open =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o200).open(path)?;
        open.set_permissions(Permissions::from_mode(0o200))?;
        let m = open.metadata()?;
        Ok(Self { file, open, inode: (m.dev(), m.ino()), writes: 0 })
    }

    fn take(&mut self) -> std::io::Result<Vec<u8>> {
        self.writes += 1;
        let mut page = [0; PAGE];
        let length = self.open.read_at(&mut page, 0)?;
        Ok(page[..length].to_vec())
    }
}
