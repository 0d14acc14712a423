use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::ledger::Ledger;
use crate::program::CardLock;
use crate::stack::{Device, Management};

/// Long enough for the slowest machine: a change that does not come by then does not come.
const SURELY: Option<Duration> = Some(Duration::from_secs(30));

/// A change that is not noticed by then will not be: the kernel queues file events before the system
/// call that makes them returns.
const SOON: Option<Duration> = Some(Duration::from_millis(50));

const DEVICE: &str = "sys/devices/pci0000:5d/0000:5e:00.0/fpga_region/region0";

struct Node {
    // Held for its removal.
    _temp: tempfile::TempDir,
    root: PathBuf,
}

impl Node {
    /// A root that does not exist yet.
    fn absent() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("node");
        Self { _temp: temp, root }
    }

    /// A root with one card, as far as a watcher looks at it.
    fn with_card() -> Self {
        let node = Self::absent();
        node.add_card();
        node
    }

    fn add_card(&self) {
        let port = self.path(DEVICE).join("dfl-port.0");
        fs::create_dir_all(&port).unwrap();
        fs::write(port.join("afu_id"), "1\n").unwrap();
        fs::create_dir_all(self.path("sys/class/fpga_region")).unwrap();
        symlink(self.path(DEVICE), self.path("sys/class/fpga_region/region0")).unwrap();
        fs::create_dir_all(self.path("dev")).unwrap();
        fs::write(self.path("dev/dfl-fme.0"), "").unwrap();
        fs::write(self.path("dev/dfl-port.0"), "").unwrap();
    }

    fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    fn afu_id(&self) -> PathBuf {
        self.path(DEVICE).join("dfl-port.0/afu_id")
    }

    fn watcher(&self) -> Watcher {
        Watcher::new(&Root::at(&self.root)).unwrap()
    }
}

fn one_change(watcher: &mut Watcher) {
    assert!(watcher.wait(SURELY).unwrap(), "a change went unnoticed");
    assert!(!watcher.wait(SOON).unwrap(), "one change was reported twice");
}

fn no_change(watcher: &mut Watcher) {
    assert!(!watcher.wait(SOON).unwrap(), "a change was made up");
}

#[test]
fn a_quiet_tree_is_no_change_and_neither_is_a_scan_of_it() {
    let node = Node::with_card();
    let mut watcher = node.watcher();
    no_change(&mut watcher);
    assert_eq!(crate::scan::scan(&Root::at(&node.root)).drivers.len(), 1);
    fs::read(node.afu_id()).unwrap();
    no_change(&mut watcher);
}

#[test]
fn an_attribute_rewritten_in_place_is_a_change() {
    let node = Node::with_card();
    let mut watcher = node.watcher();
    fs::write(node.afu_id(), "2\n").unwrap();
    one_change(&mut watcher);

    let mut kept_open = OpenOptions::new().write(true).open(node.afu_id()).unwrap();
    kept_open.write_all(b"3\n").unwrap();
    assert!(watcher.wait(SURELY).unwrap());
}

#[test]
fn an_attribute_replaced_by_a_rename_is_a_change() {
    let node = Node::with_card();
    fs::write(node.path("new"), "2\n").unwrap();
    let mut watcher = node.watcher();
    fs::rename(node.path("new"), node.afu_id()).unwrap();
    one_change(&mut watcher);
}

#[test]
fn an_attribute_made_unreadable_is_a_change() {
    let node = Node::with_card();
    let mut watcher = node.watcher();
    fs::set_permissions(node.afu_id(), fs::Permissions::from_mode(0o000)).unwrap();
    one_change(&mut watcher);
}

#[test]
fn a_card_that_comes_is_one_change_and_is_watched_from_then_on() {
    let node = Node::absent();
    fs::create_dir_all(node.path("sys/class")).unwrap();
    fs::create_dir_all(node.path("sys/devices")).unwrap();
    fs::create_dir_all(node.path("dev")).unwrap();
    let mut watcher = node.watcher();
    node.add_card();
    one_change(&mut watcher);
    fs::write(node.afu_id(), "2\n").unwrap();
    one_change(&mut watcher);
}

#[test]
fn a_card_that_goes_is_a_change_and_so_is_its_return() {
    let node = Node::with_card();
    let mut watcher = node.watcher();
    fs::remove_dir_all(node.path("sys/devices/pci0000:5d")).unwrap();
    fs::remove_file(node.path("sys/class/fpga_region/region0")).unwrap();
    one_change(&mut watcher);
    node.add_card();
    one_change(&mut watcher);
    fs::write(node.afu_id(), "2\n").unwrap();
    one_change(&mut watcher);
}

#[test]
fn a_class_directory_that_appears_is_a_change() {
    let node = Node::with_card();
    let mut watcher = node.watcher();
    fs::create_dir(node.path("sys/class/fpga")).unwrap();
    one_change(&mut watcher);
    symlink("../../devices", node.path("sys/class/fpga/intel-fpga-dev.0")).unwrap();
    one_change(&mut watcher);
    fs::create_dir(node.path("sys/class/net")).unwrap();
    no_change(&mut watcher);
}

#[test]
fn a_root_that_appears_goes_and_is_made_again_is_watched() {
    let node = Node::absent();
    let mut watcher = node.watcher();
    for _ in 0..3 {
        node.add_card();
        one_change(&mut watcher);
        fs::write(node.afu_id(), "2\n").unwrap();
        one_change(&mut watcher);
        fs::remove_dir_all(&node.root).unwrap();
        one_change(&mut watcher);
    }
}

#[test]
fn a_root_that_is_replaced_by_a_rename_is_watched() {
    let node = Node::with_card();
    let mut watcher = node.watcher();
    fs::rename(&node.root, node.root.with_extension("old")).unwrap();
    one_change(&mut watcher);
    node.add_card();
    one_change(&mut watcher);
    fs::write(node.root.with_extension("old").join(DEVICE).join("dfl-port.0/afu_id"), "2\n")
        .unwrap();
    no_change(&mut watcher);
    fs::write(node.afu_id(), "2\n").unwrap();
    one_change(&mut watcher);
}

#[test]
fn a_burst_is_one_change() {
    let node = Node::with_card();
    let mut watcher = node.watcher();
    for value in 0..500 {
        fs::write(node.afu_id(), value.to_string()).unwrap();
    }
    one_change(&mut watcher);
}

#[test]
fn a_burst_without_end_is_reported_all_the_same() {
    let node = Node::with_card();
    let mut watcher = node.watcher();
    let (stop, stopped) = std::sync::mpsc::channel();
    let path = node.afu_id();
    let writer = std::thread::spawn(move || {
        while stopped.try_recv().is_err() {
            fs::write(&path, "2\n").unwrap();
        }
    });
    for _ in 0..3 {
        assert!(watcher.wait(SURELY).unwrap());
    }
    stop.send(()).unwrap();
    writer.join().unwrap();
}

#[test]
fn lost_events_are_a_change_and_the_watching_goes_on() {
    let node = Node::with_card();
    let mut watcher = node.watcher();
    // More events than the kernel queues for one instance; those of one file are merged only when
    // they follow each other.
    let queued: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let other = node.path(DEVICE).join("dfl-port.0/id");
    for _ in 0..queued / 2 + 1 {
        File::create(node.afu_id()).unwrap();
        File::create(&other).unwrap();
    }
    // The queue is full, so no event tells of this directory.
    let unseen = node.path(DEVICE).join("dfl-port.1");
    fs::create_dir(&unseen).unwrap();
    closed(&mut watcher);
    one_change(&mut watcher);
    assert_eq!(closed(&mut watcher), ["dfl-fme.0"], "who closed it nobody knows");
    fs::write(unseen.join("afu_id"), "2\n").unwrap();
    one_change(&mut watcher);
}

#[test]
fn what_a_scan_does_not_read_is_no_change() {
    let node = Node::with_card();
    let hwmon = node.path(DEVICE).join("hwmon/hwmon0");
    fs::create_dir_all(&hwmon).unwrap();
    let mut watcher = node.watcher();
    fs::write(hwmon.join("temp1_input"), "45000\n").unwrap();
    no_change(&mut watcher);
}

#[test]
fn closing_a_management_node_after_writing_is_a_change() {
    let node = Node::with_card();
    let mut watcher = node.watcher();
    let engine =
        OpenOptions::new().read(true).write(true).open(node.path("dev/dfl-fme.0")).unwrap();
    no_change(&mut watcher);
    drop(engine);
    one_change(&mut watcher);
    drop(File::open(node.path("dev/dfl-fme.0")).unwrap());
    no_change(&mut watcher);
}

#[test]
fn use_of_a_port_and_of_other_nodes_is_no_change() {
    let node = Node::with_card();
    fs::write(node.path("dev/null"), "").unwrap();
    let mut watcher = node.watcher();
    fs::write(node.path("dev/null"), "x").unwrap();
    fs::write(node.path("dev/dfl-port.0"), "x").unwrap();
    fs::write(node.path("dev/loop0"), "").unwrap();
    no_change(&mut watcher);
}

#[test]
fn nodes_that_come_and_go_are_changes() {
    let node = Node::with_card();
    let mut watcher = node.watcher();
    fs::write(node.path("dev/intel-fpga-fme.0"), "").unwrap();
    one_change(&mut watcher);
    drop(OpenOptions::new().write(true).open(node.path("dev/intel-fpga-fme.0")).unwrap());
    one_change(&mut watcher);
    fs::remove_file(node.path("dev/dfl-port.0")).unwrap();
    one_change(&mut watcher);
}

/// The kernel reports the close of a device node as of any other file.
#[test]
fn closing_a_device_node_is_noticed_too() {
    let node = Node::with_card();
    fs::remove_file(node.path("dev/dfl-fme.0")).unwrap();
    symlink("/dev/null", node.path("dev/dfl-fme.0")).unwrap();
    let mut watcher = node.watcher();
    drop(OpenOptions::new().write(true).open("/dev/null").unwrap());
    assert!(watcher.wait(SURELY).unwrap());
}

fn closed(watcher: &mut Watcher) -> Vec<String> {
    watcher.take_closed().into_iter().map(|node| node.into_string().unwrap()).collect()
}

/// As programs of ours close a management node, and as others do.
struct Engines {
    node: Node,
    ledger: Ledger,
    lock: CardLock,
    card: Management,
}

impl Engines {
    fn new() -> Self {
        let node = Node::with_card();
        let root = Root::at(&node.root);
        root.ledger().make().unwrap();
        let path = node.path("dev/dfl-fme.0");
        let lock = CardLock::acquire(&path, Duration::ZERO, &mut |_| {}).unwrap();
        let device = Device::new(&root, "dfl-fme.0");
        let id = "0000:5e:00.0".parse::<crate::id::PciAddress>().unwrap().into();
        let card = Management { driver: crate::card::Driver::Dfl, id, device };
        Self { ledger: root.ledger().clone(), node, lock, card }
    }

    fn open(&self) -> File {
        OpenOptions::new().write(true).open(self.node.path("dev/dfl-fme.0")).unwrap()
    }

    fn ours(&self) {
        self.ledger.closing(&self.lock, &self.card, self.open());
    }
}

#[test]
fn nodes_that_others_close_are_told_from_those_that_we_close() {
    let engines = Engines::new();
    let mut watcher = engines.node.watcher();
    // Nobody knows what was before.
    assert_eq!(closed(&mut watcher), ["dfl-fme.0"]);
    engines.ours();
    one_change(&mut watcher);
    assert_eq!(closed(&mut watcher), [""; 0]);
    drop(engines.open());
    one_change(&mut watcher);
    assert_eq!(closed(&mut watcher), ["dfl-fme.0"]);
    // At any place in a row, however late it is looked at.
    for foreign in 0..3 {
        for place in 0..3 {
            match place == foreign {
                true => drop(engines.open()),
                false => engines.ours(),
            }
        }
        one_change(&mut watcher);
        assert_eq!(closed(&mut watcher), ["dfl-fme.0"], "{foreign}");
    }
    engines.ours();
    engines.ours();
    one_change(&mut watcher);
    assert_eq!(closed(&mut watcher), [""; 0]);
}

/// What a program says before it is killed is good for the kernel's closing of its node, and no more.
#[test]
fn a_program_that_was_killed_while_it_closed_excuses_nobody() {
    let engines = Engines::new();
    let mut watcher = engines.node.watcher();
    closed(&mut watcher);
    let said = engines.ledger.directory().join("dfl-fme.0.closing");
    File::create(&said).unwrap();
    drop(engines.open());
    one_change(&mut watcher);
    assert_eq!(closed(&mut watcher), [""; 0]);
    drop(engines.open());
    one_change(&mut watcher);
    assert_eq!(closed(&mut watcher), ["dfl-fme.0"]);
    engines.ours();
    one_change(&mut watcher);
    assert_eq!(closed(&mut watcher), [""; 0]);
    // One that was killed before it closed it, and said nothing.
    assert!(!said.exists());
}

#[test]
fn a_node_that_was_not_watched_all_the_time_may_have_been_closed() {
    let engines = Engines::new();
    let mut watcher = engines.node.watcher();
    closed(&mut watcher);
    fs::write(engines.node.path("new"), "").unwrap();
    fs::rename(engines.node.path("new"), engines.node.path("dev/dfl-fme.0")).unwrap();
    assert!(watcher.wait(SURELY).unwrap());
    assert_eq!(closed(&mut watcher), ["dfl-fme.0"]);
    engines.ours();
    assert!(watcher.wait(SURELY).unwrap());
    assert_eq!(closed(&mut watcher), [""; 0]);
}

#[test]
fn a_ledger_that_is_made_later_is_watched_too() {
    let engines = Engines::new();
    fs::remove_dir_all(engines.node.path("run")).unwrap();
    let mut watcher = engines.node.watcher();
    closed(&mut watcher);
    engines.ledger.make().unwrap();
    while watcher.wait(SOON).unwrap() {}
    engines.ours();
    one_change(&mut watcher);
    assert_eq!(closed(&mut watcher), [""; 0]);
}

#[test]
fn the_machines_own_trees_are_watched_by_uevents() {
    let mut watcher = Watcher::new(&Root::host()).unwrap();
    assert!(watcher.uevents.is_some());
    watcher.wait(Some(Duration::ZERO)).unwrap();
}

#[test]
fn sysfs_is_known_wherever_it_is() {
    assert!(is_sysfs(&Root::host()));
    // Another path to the same file system; the file-event walk of it would take for ever.
    assert!(is_sysfs(&Root::new("/proc/self/root/sys", "/dev")));
    assert!(!is_sysfs(&Root::at(std::env::temp_dir())));
}
