//! Device nodes by their inode, and when somebody closes them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs::File;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, Inotify, WatchDescriptor};

use super::Inode;
use crate::host::Node;

/// Nodes of devices that went away whose inode is kept from being used again.
const GRAVES: usize = 64;

/// The device behind a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It is there.
    Live(Node),
    /// It went away, and this was its node.
    Gone(Node),
}

struct Held {
    device: Found,
    /// While the tree is served the file is held, so that the inode of a device that went away is not used again.
    _file: Option<File>,
    watch: Option<WatchDescriptor>,
}

#[derive(Default)]
pub(super) struct Nodes {
    held: HashMap<Inode, Held>,
    graves: VecDeque<Inode>,
    watches: HashMap<WatchDescriptor, Node>,
    closed: BTreeSet<Node>,
}

impl Nodes {
    pub(super) fn insert(&mut self, inode: Inode, node: Node, file: Option<File>) {
        self.held.insert(inode, Held { device: Found::Live(node), _file: file, watch: None });
    }

    pub(super) fn find(&self, inode: Inode) -> Option<Found> {
        self.held.get(&inode).map(|held| held.device)
    }

    /// The files of a node that is there.
    pub(super) fn inodes(&self, node: Node) -> impl Iterator<Item = Inode> + '_ {
        let is_it = move |held: &Held| held.device == Found::Live(node);
        self.held.iter().filter(move |(_, held)| is_it(held)).map(|(inode, _)| *inode)
    }

    /// Notices from now on when the file is closed, under whatever name it was opened.
    pub(super) fn watch(
        &mut self,
        inotify: &Inotify,
        inode: Inode,
        path: &Path,
    ) -> Result<(), Errno> {
        let Some(held) = self.held.get_mut(&inode) else { return Ok(()) };
        let Found::Live(node) = held.device else { return Ok(()) };
        let watch = inotify.add_watch(path, AddWatchFlags::IN_CLOSE)?;
        held.watch = Some(watch);
        self.watches.insert(watch, node);
        Ok(())
    }

    /// The device of this file went away.
    pub(super) fn bury(&mut self, inode: Inode, inotify: Option<&Inotify>) {
        let Some(held) = self.held.get_mut(&inode) else { return };
        let Found::Live(node) = held.device else { return };
        held.device = Found::Gone(node);
        if let Some(watch) = held.watch.take() {
            self.watches.remove(&watch);
            // One that is gone already is as good.
            let _gone = inotify.map(|i| i.rm_watch(watch));
        }
        self.graves.push_back(inode);
        while self.graves.len() > GRAVES {
            if let Some(old) = self.graves.pop_front() {
                self.held.remove(&old);
            }
        }
    }

    /// True if the event was about one of these files.
    pub(super) fn take_event(&mut self, watch: WatchDescriptor) -> bool {
        let node = self.watches.get(&watch);
        self.closed.extend(node);
        node.is_some()
    }

    /// Events were lost: anything may have been closed.
    pub(super) fn assume_closed(&mut self) {
        self.closed.extend(self.watches.values());
    }

    pub(super) fn take_closed(&mut self) -> BTreeSet<Node> {
        std::mem::take(&mut self.closed)
    }
}
