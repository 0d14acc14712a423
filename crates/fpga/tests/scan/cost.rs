//! What a scan asks of the kernel, counted by inotify on every directory of the tree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fpga_emulator::machine::Machine;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::node::Node;

/// Opens of files while `work` runs, by path.
fn opens(root: &Path, work: impl FnOnce()) -> BTreeMap<PathBuf, usize> {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    let mut directories = BTreeMap::<WatchDescriptor, PathBuf>::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            }
        }
        directories
            .insert(inotify.add_watch(&directory, AddWatchFlags::IN_OPEN).unwrap(), directory);
    }
    work();
    let mut counts = BTreeMap::new();
    while let Ok(events) = inotify.read_events() {
        for event in events {
            assert!(!event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW));
            // An event without a name is about the directory itself, whose parent reports it too.
            let Some(name) = event.name else { continue };
            let path = directories[&event.wd].join(name);
            if path.is_file() {
                *counts.entry(path).or_default() += 1;
            }
        }
    }
    counts
}

/// Defect 12 of Intel's plugin: about 130 opens for each scan of two cards, everything anew.
#[test]
fn no_attribute_is_opened_twice() {
    let node = Node::preset("r740");
    let counts = opens(&node.path("sys"), || drop(node.scan()));
    let twice: Vec<_> = counts.iter().filter(|(_, n)| **n != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(counts.keys().any(|path| path.ends_with("dfl-port.0/afu_id")), "{counts:?}");
    let total: usize = counts.values().sum();
    assert!(total < 100, "{total} files opened for two cards: {counts:?}");
}

#[test]
fn the_cost_grows_with_the_cards_and_no_faster() {
    let files = |cards| {
        let node = Node::new(&Machine::cards(cards, 1).unwrap());
        opens(&node.path("sys"), || drop(node.scan())).len()
    };
    assert_eq!(files(8), 8 * files(1));
}
