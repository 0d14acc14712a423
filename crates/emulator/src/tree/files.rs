//! The tree on disk: claimed, brought in line with the machine, watched for writes, removed.

mod nodes;
mod written;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::inotify::{Inotify, WatchDescriptor};
use nix::sys::stat::{Mode, SFlag, mknod};

use super::sheet::{Entry, Sheet};
use super::{Error, LEDGER, bus_files, card_sheet, machine_sheet};
use crate::card::mmio::Mmio;
use crate::card::regs::{AFU_SIZE, DFH_AFU, Dfh};
use crate::host::{Host, Node, Unit};

pub use nodes::Found;
pub use written::Written;

/// File that says whose the directory is; locked while somebody serves it.
const MARKER: &str = ".fpga-emulator";
/// Where new attributes are written before they are renamed into place.
const STAGE: &str = ".stage";

/// Makes a port's registers out of its node.
pub type Mapper = fn(&File) -> std::io::Result<Arc<dyn Mmio>>;

/// A port with its registers in its node.
pub type Mapped = (Node, Arc<dyn Mmio>);

/// Identity of a file.
type Inode = (u64, u64);

/// A tree on disk.
pub struct Tree {
    root: PathBuf,
    /// Whether the root itself was made here.
    made_root: bool,
    _marker: Flock<File>,
    machine: Sheet,
    /// Files that belong to no card, by path, open for reading. They are never replaced: one is for all cards, and
    /// somebody may be about to write to it.
    bus: BTreeMap<String, written::Bus>,
    cards: Vec<(u64, Sheet)>,
    nodes: nodes::Nodes,
    denied: HashMap<Inode, Errno>,
    mapper: Option<Mapper>,
    inotify: Option<Arc<Inotify>>,
    watched: HashMap<WatchDescriptor, String>,
    /// True until the first [`Tree::sync`] is done: nobody reads yet, so files are written in place.
    fresh: bool,
    staged: u64,
}

impl Tree {
    /// Takes a directory that is absent, empty, or an earlier tree that nobody serves, and empties it.
    ///
    /// # Errors
    /// [`Error`] for any other directory.
    pub fn claim(root: &Path) -> Result<Self, Error> {
        let made_root = !root.exists();
        fs::create_dir_all(root).map_err(Error::io(root))?;
        let root = fs::canonicalize(root).map_err(Error::io(root))?;
        let marker = root.join(MARKER);
        if !marker.exists() && fs::read_dir(&root).map_err(Error::io(&root))?.next().is_some() {
            return Err(Error::NotOurs(root));
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&marker)
            .map_err(Error::io(&marker))?;
        let lock =
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, e)| match e {
                Errno::EWOULDBLOCK => Error::InUse(root.clone()),
                e => Error::Io { path: marker.clone(), reason: e.into() },
            })?;
        remove_content(&root)?;
        let stage = root.join(STAGE);
        fs::create_dir(&stage).map_err(Error::io(&stage))?;
        Ok(Self {
            root,
            made_root,
            _marker: lock,
            machine: Sheet::default(),
            bus: BTreeMap::new(),
            cards: Vec::new(),
            nodes: nodes::Nodes::default(),
            denied: HashMap::new(),
            mapper: None,
            inotify: None,
            watched: HashMap::new(),
            fresh: true,
            staged: 0,
        })
    }

    /// The root, as an absolute path.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Maps the registers of ports to their nodes from now on.
    pub fn map_registers(&mut self, mapper: Mapper) {
        self.mapper = Some(mapper);
    }

    /// Writes what belongs to no card.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn show_machine(&mut self, host: &Host) -> Result<(), Error> {
        self.machine = machine_sheet(host);
        let paths: Vec<String> = self.machine.0.keys().cloned().collect();
        for path in paths {
            let dir = self.root.join(path);
            fs::create_dir_all(&dir).map_err(Error::io(&dir))?;
        }
        for (path, file) in bus_files(host) {
            let place = self.root.join(&path);
            let made = written::Bus::make(file, &place).map_err(Error::io(place))?;
            self.bus.insert(path, made);
        }
        Ok(())
    }

    /// Brings the files of the cards that changed in line with the machine.
    ///
    /// # Errors
    /// [`Error::Io`]; what was not reached is tried again with the next change.
    pub fn sync(&mut self, host: &Host) -> Result<Vec<Mapped>, Error> {
        self.cards.resize_with(host.slots.len(), || (u64::MAX, Sheet::default()));
        let mut changes = Vec::new();
        for (index, slot) in host.slots.iter().enumerate() {
            if self.cards[index].0 != slot.revision() {
                changes.push((index, slot.revision(), card_sheet(index, slot)));
            }
        }
        for (index, _, new) in &changes {
            self.remove_old(*index, new)?;
        }
        let mut mapped = Vec::new();
        for (index, revision, new) in changes {
            self.add_new(index, &new, &mut mapped)?;
            self.cards[index] = (revision, new);
        }
        self.fresh = false;
        Ok(mapped)
    }

    fn remove_old(&mut self, index: usize, new: &Sheet) -> Result<(), Error> {
        let old = &self.cards[index].1.0;
        let mut gone: Vec<String> =
            old.keys().filter(|p| !new.0.contains_key(*p)).cloned().collect();
        // Links first, the devices that they lead to last.
        gone.sort_by_key(|p| p.starts_with("sys/devices/"));
        let mut parents = BTreeSet::new();
        for path in gone {
            self.remove(&path)?;
            if let Some((parent, _)) = path.rsplit_once('/') {
                parents.insert(parent.to_owned());
            }
        }
        for parent in parents.iter().rev() {
            self.remove_empty(parent);
        }
        self.cards[index].1.0.retain(|p, _| new.0.contains_key(p));
        Ok(())
    }

    /// Removes a directory and those above it as long as they are empty and not the machine's.
    fn remove_empty(&self, dir: &str) {
        let mut dir = dir;
        while dir.starts_with("sys/devices/") && !self.machine.0.contains_key(dir) {
            // A directory that still holds something stays: that is the end of it.
            if fs::remove_dir(self.root.join(dir)).is_err() {
                return;
            }
            let Some((parent, _)) = dir.rsplit_once('/') else { return };
            dir = parent;
        }
    }

    fn remove(&mut self, path: &str) -> Result<(), Error> {
        let file = self.root.join(path);
        self.forget(&file);
        match fs::remove_file(&file) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::Io { path: file, reason: e }),
            _ => Ok(()),
        }
    }

    /// The inode at `file` is about to go.
    fn forget(&mut self, file: &Path) {
        let Ok(m) = fs::symlink_metadata(file) else { return };
        let inode = (m.dev(), m.ino());
        self.denied.remove(&inode);
        self.nodes.bury(inode, self.inotify.as_deref());
    }

    fn add_new(
        &mut self,
        index: usize,
        new: &Sheet,
        mapped: &mut Vec<Mapped>,
    ) -> Result<(), Error> {
        let old = std::mem::take(&mut self.cards[index].1.0);
        let mut fresh: Vec<(&String, &Entry)> =
            new.0.iter().filter(|(p, e)| old.get(*p) != Some(*e)).collect();
        fresh.sort_by_key(|(path, _)| rank(path));
        let result = self.put_all(&fresh, mapped);
        self.cards[index].1.0 = old;
        result
    }

    /// Writes to attributes are noticed before the node is there that programs wait for.
    fn put_all(
        &mut self,
        entries: &[(&String, &Entry)],
        mapped: &mut Vec<Mapped>,
    ) -> Result<(), Error> {
        let (attributes, nodes) =
            entries.split_at(entries.partition_point(|(path, _)| path.starts_with("sys/")));
        attributes.iter().try_for_each(|(path, entry)| self.put(path, entry, mapped))?;
        self.watch_directories(attributes.iter().copied())?;
        nodes.iter().try_for_each(|(path, entry)| self.put(path, entry, mapped))
    }

    fn put(&mut self, path: &str, entry: &Entry, mapped: &mut Vec<Mapped>) -> Result<(), Error> {
        let file = self.root.join(path);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).map_err(Error::io(parent))?;
        }
        if !self.fresh {
            self.forget(&file);
        }
        self.staged += 1;
        let place = if self.fresh {
            file.clone()
        } else {
            self.root.join(STAGE).join(self.staged.to_string())
        };
        let failed = || Error::io(&file);
        match entry {
            Entry::Dir => return fs::create_dir_all(&file).map_err(failed()),
            Entry::Link(target) => symlink(target, &place).map_err(failed())?,
            Entry::File { text, mode, .. } => {
                write_attribute(&place, text, *mode).map_err(failed())?;
            }
            Entry::Denied(error) => {
                let inode = make_socket(&place, 0o444).map_err(failed())?;
                self.denied.insert(inode, *error);
            }
            Entry::DeadNode => {
                make_socket(&place, 0o666).map_err(failed())?;
            }
            Entry::Node(node) => {
                let (inode, file_of_node) = make_node(&place, *node).map_err(failed())?;
                if let (Some(mapper), Unit::Port(_)) = (self.mapper, node.unit) {
                    mapped.push((*node, mapper(&file_of_node).map_err(failed())?));
                }
                let held = self.mapper.is_some().then_some(file_of_node);
                self.nodes.insert(inode, *node, held);
                if let Some(inotify) = &self.inotify {
                    let watched = self.nodes.watch(inotify, inode, &place);
                    watched.map_err(|e| failed()(e.into()))?;
                }
            }
        }
        if self.fresh { Ok(()) } else { fs::rename(&place, &file).map_err(failed()) }
    }

    /// The device behind a file: `None` for a file that is not ours.
    #[must_use]
    pub fn node(&self, inode: (u64, u64)) -> Option<Found> {
        self.nodes.find(inode)
    }

    /// The attribute at `path` (from the root, or absolute; links are followed in its directory): its card and its
    /// true path from the root.
    #[must_use]
    pub fn locate(&self, path: &Path) -> Option<(usize, String)> {
        let found = self.resolve(path)?;
        let card = self.cards.iter().position(|(_, sheet)| {
            matches!(sheet.0.get(&found), Some(Entry::File { .. } | Entry::Denied(_)))
        })?;
        Some((card, found))
    }

    fn resolve(&self, path: &Path) -> Option<String> {
        let (name, parent) = (path.file_name()?, path.parent()?);
        let directory = fs::canonicalize(self.root.join(parent)).ok()?;
        Some(directory.strip_prefix(&self.root).ok()?.join(name).to_str()?.to_owned())
    }

    /// The files of a node that is there.
    pub fn inodes(&self, node: Node) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.nodes.inodes(node)
    }

    /// The error that reading this file has to answer.
    #[must_use]
    pub fn denied(&self, inode: (u64, u64)) -> Option<Errno> {
        self.denied.get(&inode).copied()
    }

    /// True when some attribute cannot be read.
    #[must_use]
    pub fn has_denied(&self) -> bool {
        !self.denied.is_empty()
    }

    /// Writes the functions' headers into the nodes of a tree that nobody serves.
    pub(super) fn write_registers(&self, host: &Host) -> Result<(), Error> {
        for (path, entry) in self.cards.iter().flat_map(|(_, sheet)| &sheet.0) {
            let Entry::Node(Node { slot, unit: Unit::Port(port) }) = entry else { continue };
            let id = host.slots[*slot].card.ports[*port].function();
            let header = Dfh { kind: DFH_AFU, id: 0, revision: 0, next: 0 }.value();
            let head = [header, id.low, id.high].map(u64::to_le_bytes).concat();
            let node = self.root.join(path);
            let written =
                OpenOptions::new().write(true).open(&node).and_then(|f| f.write_all_at(&head, 0));
            written.map_err(Error::io(node))?;
        }
        Ok(())
    }

    /// Removes everything, and the root if it was made here.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn destroy(self) -> Result<(), Error> {
        remove_content(&self.root)?;
        let marker = self.root.join(MARKER);
        fs::remove_file(&marker).map_err(Error::io(&marker))?;
        if self.made_root {
            fs::remove_dir(&self.root).map_err(Error::io(&self.root))
        } else {
            Ok(())
        }
    }
}

/// Removes what an emulator may have put below `root`, except the marker, and what was known of the regions of this
/// machine.
fn remove_content(root: &Path) -> Result<(), Error> {
    for name in ["sys", "dev", STAGE, LEDGER] {
        let path = root.join(name);
        match fs::remove_dir_all(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(Error::Io { path, reason: e }),
            _ => {}
        }
    }
    // Only when nothing else is in them.
    let above = Path::new(LEDGER).ancestors().skip(1).filter(|dir| !dir.as_os_str().is_empty());
    for dir in above {
        let _not_empty = fs::remove_dir(root.join(dir));
    }
    Ok(())
}

/// Devices first, then what leads to them, the nodes last.
fn rank(path: &str) -> u8 {
    match path {
        p if p.starts_with("sys/devices/") => 0,
        p if p.starts_with("sys/") => 1,
        p if p.starts_with("dev/char/") => 2,
        _ => 3,
    }
}

fn write_attribute(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(Permissions::from_mode(mode))
}

fn make_socket(path: &Path, mode: u32) -> std::io::Result<Inode> {
    mknod(path, SFlag::S_IFSOCK, Mode::empty(), 0)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    let m = fs::symlink_metadata(path)?;
    Ok((m.dev(), m.ino()))
}

fn make_node(path: &Path, node: Node) -> std::io::Result<(Inode, File)> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
    file.set_permissions(Permissions::from_mode(0o666))?;
    if matches!(node.unit, Unit::Port(_)) {
        file.set_len(AFU_SIZE)?;
    }
    let m = file.metadata()?;
    Ok(((m.dev(), m.ino()), file))
}
