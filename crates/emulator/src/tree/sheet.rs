//! What files a tree has: built anew from the machine's state, compared with what is there.

use std::collections::BTreeMap;

use nix::errno::Errno;

use crate::host::Node;
use crate::host::store::Store;

/// One object of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A directory that stays when it is empty.
    Dir,
    /// An attribute.
    File {
        /// Its content.
        text: String,
        /// Permission bits.
        mode: u32,
        /// What a write to it does.
        store: Option<Store>,
    },
    /// A symbolic link with its text.
    Link(String),
    /// A device node that answers ioctls.
    Node(Node),
    /// A device node without a driver: opening it fails with `ENXIO`.
    DeadNode,
    /// An attribute that cannot be read now, and the error that the kernel answers.
    Denied(Errno),
}

/// Objects by their path from the root, such as `sys/class/fpga_region/region0`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet(pub BTreeMap<String, Entry>);

impl Sheet {
    pub(super) fn dir(&mut self, path: &str) {
        self.0.insert(path.to_owned(), Entry::Dir);
    }

    /// A read-only attribute; the newline is added.
    pub(super) fn attribute(&mut self, path: &str, value: impl std::fmt::Display) {
        self.raw(path, format!("{value}\n"), 0o444, None);
    }

    /// A writable attribute.
    pub(super) fn writable(&mut self, path: &str, value: impl std::fmt::Display, store: Store) {
        self.raw(path, format!("{value}\n"), 0o644, Some(store));
    }

    /// An attribute that can only be written.
    pub(super) fn command(&mut self, path: &str, store: Store) {
        self.raw(path, String::new(), 0o200, Some(store));
    }

    /// `remove` of a PCI function, which its group may write too (`drivers/pci/pci-sysfs.c`).
    pub(super) fn removal(&mut self, path: &str) {
        self.raw(path, String::new(), 0o220, Some(Store::Remove));
    }

    /// An attribute whose content is exactly `text`.
    pub(super) fn text(&mut self, path: &str, text: String) {
        self.raw(path, text, 0o444, None);
    }

    fn raw(&mut self, path: &str, text: String, mode: u32, store: Option<Store>) {
        self.0.insert(path.to_owned(), Entry::File { text, mode, store });
    }

    /// A relative symbolic link from `path` to `target`, both from the root.
    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.0.insert(path.to_owned(), Entry::Link(relative(path, target)));
    }

    pub(super) fn node(&mut self, name: &str, node: Option<Node>) {
        self.0.insert(format!("dev/{name}"), node.map_or(Entry::DeadNode, Entry::Node));
    }

    pub(super) fn deny(&mut self, path: &str, error: Errno) {
        self.0.insert(path.to_owned(), Entry::Denied(error));
    }
}

fn relative(path: &str, target: &str) -> String {
    let from: Vec<&str> = path.split('/').collect();
    let to: Vec<&str> = target.split('/').collect();
    let parents = &from[..from.len() - 1];
    let shared = parents.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", parents.len() - shared);
    up.chain(to[shared..].iter().copied()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_relative() {
        assert_eq!(
            relative("sys/class/fpga_region/region0", "sys/devices/a/region0"),
            "../../devices/a/region0"
        );
        assert_eq!(
            relative("sys/devices/a/driver", "sys/bus/pci/drivers/d"),
            "../../bus/pci/drivers/d"
        );
        assert_eq!(relative("dev/char/1:2", "dev/dfl-fme.0"), "../dfl-fme.0");
    }
}
