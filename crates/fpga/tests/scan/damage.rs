//! Trees with something wrong: it is diagnosed where it is, and everything else stands.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use fpga::card::{Driver, Function, Inventory};
use fpga_emulator::machine::Machine;

use crate::node::{Node, card, port, problems};

/// Ways to spoil a file or directory.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Gone,
    Directory,
    Dangling,
    Loop,
    Empty,
    Garbage,
    Bytes,
    Endless,
    Fifo,
}

/// One of each kind that the reading code can tell apart; the others are tried on one attribute below.
const KINDS: [Damage; 5] =
    [Damage::Gone, Damage::Directory, Damage::Dangling, Damage::Garbage, Damage::Fifo];

impl Damage {
    /// Puts the damage at a path where nothing is.
    fn place(self, path: &Path) {
        match self {
            Self::Gone => {}
            Self::Directory => fs::create_dir(path).unwrap(),
            Self::Dangling => symlink("nowhere", path).unwrap(),
            Self::Loop => symlink(path, path).unwrap(),
            Self::Empty => fs::write(path, "").unwrap(),
            Self::Garbage => fs::write(path, "garbage é 0x\n").unwrap(),
            Self::Bytes => fs::write(path, [0xff, 0, 0xfe]).unwrap(),
            Self::Endless => symlink("/dev/zero", path).unwrap(),
            Self::Fifo => nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
        }
    }

    fn remove(path: &Path) {
        if path.symlink_metadata().is_ok() {
            fs::remove_dir(path).or_else(|_| fs::remove_file(path)).unwrap();
        }
    }
}

/// Scans with `damage` in the place of `path`, and repairs it again.
fn scan_with(node: &Node, path: &Path, damage: Damage) -> Inventory {
    let aside = node.path("aside");
    fs::rename(path, &aside).unwrap();
    damage.place(path);
    let inventory = node.scan();
    Damage::remove(path);
    fs::rename(&aside, path).unwrap();
    inventory
}

/// Everything below a directory, deepest first.
fn everything_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(everything_below(&entry.path()));
        }
        found.push(entry.path());
    }
    found
}

/// Upstream ends on the first of these, and with it every card's resources.
#[test]
fn whatever_is_wrong_on_one_card_of_four_the_other_three_stand() {
    let node = Node::new(&Machine::cards(4, 1).unwrap());
    let whole = node.scan();
    assert_eq!((whole.cards.len(), problems(&whole)), (4, vec![]));
    let victim = whole.cards[1].id;
    let others = |inventory: &Inventory| -> Vec<_> {
        inventory.cards.iter().filter(|card| card.id != victim).cloned().collect()
    };
    let card = node.pci(&victim.to_string());
    let mut diagnosed = 0;
    for path in everything_below(&card) {
        for damage in KINDS {
            let inventory = scan_with(&node, &path, damage);
            assert_eq!(others(&inventory), others(&whole), "{damage:?} at {}", path.display());
            diagnosed += usize::from(inventory.all_problems().next().is_some());
        }
    }
    assert!(diagnosed > 50, "only {diagnosed} damages were diagnosed");
    assert_eq!(node.scan(), whole);
}

#[test]
fn whatever_is_wrong_on_one_card_of_the_opae_driver_the_others_stand() {
    let node = Node::preset("mixed");
    let whole = node.scan();
    let card = node.pci("0000:d8:00.0");
    let mut diagnosed = 0;
    for path in everything_below(&card) {
        for damage in KINDS {
            let inventory = scan_with(&node, &path, damage);
            assert_eq!(inventory.cards[..4], whole.cards[..4], "{damage:?} at {}", path.display());
            diagnosed += usize::from(inventory.all_problems().next().is_some());
        }
    }
    assert!(diagnosed > 50, "only {diagnosed} damages were diagnosed");
}

#[test]
fn an_unreadable_function_is_a_problem_of_its_board_alone() {
    for (damage, reason) in [
        (Damage::Directory, "afu_id: Is a directory"),
        (Damage::Loop, "afu_id: Too many symbolic links"),
        (Damage::Empty, "afu_id: AFU id \"\": expected 32 hexadecimal digits or a UUID"),
        (Damage::Bytes, "afu_id: not UTF-8 text"),
        (Damage::Endless, "afu_id: longer than 4096 bytes"),
    ] {
        let node = Node::preset("r740");
        let inventory = scan_with(&node, &node.device("dfl-port.1").join("afu_id"), damage);
        assert_eq!(port(&inventory, "dfl-port.1").function, Function::Unreadable, "{damage:?}");
        let [problem] = &problems(&inventory)[..] else { panic!("{damage:?}: {inventory:#?}") };
        assert!(problem.starts_with(&format!("dfl-port.1: {reason}")), "{problem}");
        assert_eq!(card(&inventory, "0000:86:00.0").problems.len(), 1);
        assert!(port(&inventory, "dfl-port.0").afu_id().is_some());
    }
}

#[test]
fn a_port_without_a_number_is_left_out_and_its_neighbour_stands() {
    let node = Node::preset("mixed");
    let inventory = scan_with(&node, &node.device("dfl-port.2").join("id"), Damage::Gone);
    assert_eq!(problems(&inventory), ["dfl-port.2: id: No such file or directory"]);
    let [left] = &card(&inventory, "0000:5e:00.0").slots[..] else { panic!("{inventory:#?}") };
    assert_eq!((left.number, left.region), (0, Some(0)));
}

/// As Linux 6.1 leaves a port that was released and assigned: registered, without a driver and so without attributes.
#[test]
fn a_port_without_a_driver_is_left_out_and_its_cure_named() {
    let node = Node::preset("mixed");
    std::fs::remove_file(node.device("dfl-port.2").join("afu_id")).unwrap();
    let inventory = scan_with(&node, &node.device("dfl-port.2").join("id"), Damage::Gone);
    let cure = "dfl-port.2: id: no driver is bound to the port: run `fpgactl recover 0000:5e:00.0`";
    assert_eq!(problems(&inventory), [cure]);
    assert_eq!(card(&inventory, "0000:5e:00.0").slots.len(), 1);
}

#[test]
fn a_region_without_an_interface_is_said_to_have_none() {
    let node = Node::preset("pac-a10");
    let path = node.device("dfl-fme.0").join("dfl-fme-region.0/fpga_region/region1/compat_id");
    let inventory = scan_with(&node, &path, Damage::Gone);
    let card = &inventory.cards[0];
    assert_eq!(card.regions[0].interface_id, None);
    assert!(card.slots[0].afu_id().is_some());
    let [problem] = &problems(&inventory)[..] else { panic!("{inventory:#?}") };
    assert!(
        problem.contains("dfl-fme-region.0") && problem.contains("no bitstream can be matched"),
        "{problem}"
    );
}

#[test]
fn a_region_whose_driver_is_not_bound_is_said_to_be_so() {
    let node = Node::preset("pac-a10");
    let path = node.device("dfl-fme.0").join("dfl-fme-region.0/fpga_region");
    let inventory = scan_with(&node, &path, Damage::Gone);
    assert_eq!(
        problems(&inventory),
        ["dfl-fme.0: dfl-fme-region.0: no region in it: is dfl-fme-region bound?"]
    );
    assert_eq!(inventory.cards[0].slots[0].region, Some(0));
}

#[test]
fn regions_and_ports_that_cannot_be_paired_are_not() {
    let node = Node::new(&Machine::cards(1, 3).unwrap());
    fs::write(node.device("dfl-fme.0").join("ports_num"), "4\n").unwrap();
    let inventory = scan_with(&node, &node.device("dfl-port.1"), Damage::Gone);
    assert!(inventory.cards[0].slots.iter().all(|port| port.region.is_none()));
    assert_eq!(
        problems(&inventory),
        ["dfl-fme.0: 3 regions and 2 ports: which belongs to which is unknown"]
    );
}

#[test]
fn a_card_that_is_half_gone_is_a_problem() {
    let node = Node::preset("r740");
    let region = node.pci("0000:86:00.0").join("fpga_region/region2");
    let inventory = scan_with(&node, &region, Damage::Gone);
    assert_eq!(inventory.cards.len(), 1);
    let [problem] = &inventory.problems[..] else { panic!("{inventory:#?}") };
    assert_eq!(problem.object, "region2");
    assert!(problem.message.ends_with("No such file or directory"), "{problem}");
}

/// Upstream: TestFindSysFsDevice, as far as it is about devices that are not on a bus.
#[test]
fn a_management_engine_that_is_on_no_pci_function_is_a_problem() {
    let node = Node::preset("pac-a10");
    let region = node.path("sys/devices/platform/odd/fpga_region/region9");
    fs::create_dir_all(region.join("dfl-fme.9")).unwrap();
    symlink(
        "../../devices/platform/odd/fpga_region/region9",
        node.path("sys/class/fpga_region/region9"),
    )
    .unwrap();
    let inventory = node.scan();
    assert_eq!(inventory.cards.len(), 1);
    let [problem] = &inventory.problems[..] else { panic!("{inventory:#?}") };
    assert_eq!(problem.object, "dfl-fme.9");
    assert!(problem.message.ends_with("not below a PCI function"), "{problem}");
}

#[test]
fn a_virtual_function_whose_physical_one_is_not_there_is_a_problem() {
    let node = Node::preset("mixed");
    let physfn = node.pci("0000:af:00.1").join("physfn");
    for (damage, message) in [
        (Damage::Gone, "0000:af:00.1 has neither a management engine nor a physical function"),
        (Damage::Empty, "physfn: Invalid argument"),
        (Damage::Dangling, "physfn: nowhere is no PCI function"),
    ] {
        let inventory = scan_with(&node, &physfn, damage);
        assert_eq!(inventory.cards.len(), 5);
        assert_eq!(card(&inventory, "0000:af:00.0").slots.len(), 1);
        let expected = format!("dfl-port.6: {message}");
        assert!(
            problems(&inventory).contains(&expected),
            "{expected} not in {:?}",
            problems(&inventory)
        );
    }
    let aside = node.path("aside");
    fs::rename(&physfn, &aside).unwrap();
    symlink("../0000:af:00.7", &physfn).unwrap();
    assert_eq!(
        problems(&node.scan()),
        [
            "dfl-port.6: 0000:af:00.7, the physical function of 0000:af:00.1, has no management engine"
        ]
    );
}

#[test]
fn an_engine_that_cannot_be_read_leaves_its_ports_usable() {
    let node = Node::preset("pac-a10");
    let inventory = scan_with(&node, &node.device("dfl-fme.0"), Damage::Empty);
    let card = &inventory.cards[0];
    assert_eq!(
        (card.name.as_str(), card.management.as_ref().unwrap().number, card.regions.len()),
        ("dfl-fme.0", None, 0)
    );
    assert!(card.slots[0].afu_id().is_some());
    assert_eq!(card.problems.len(), 1);
}

#[test]
fn ids_that_cannot_be_read_do_not_cost_the_card() {
    let node = Node::preset("pac-a10");
    let inventory = scan_with(&node, &node.pci("0000:3b:00.0").join("vendor"), Damage::Gone);
    assert_eq!(
        (inventory.cards[0].pci.as_ref().unwrap().vendor, inventory.cards[0].model),
        (0, None)
    );
    assert_eq!(problems(&inventory), ["0000:3b:00.0: vendor: No such file or directory"]);
}

#[test]
fn a_class_that_cannot_be_listed_does_not_hide_the_other() {
    let node = Node::preset("mixed");
    let class = node.path("sys/class/fpga_region");
    let inventory = scan_with(&node, &class, Damage::Empty);
    assert_eq!(inventory.drivers, [Driver::Dfl, Driver::Opae]);
    assert_eq!(inventory.cards.len(), 1);
    let [problem] = &inventory.problems[..] else { panic!("{inventory:#?}") };
    assert_eq!(problem.object, class.display().to_string());
}
