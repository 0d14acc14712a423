use fpga_emulator::machine::Machine;
use fpga_emulator::tree;

use super::*;

fn tree(machine: &str) -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    tree::create(&Machine::preset(machine).unwrap(), &root).unwrap();
    (directory, Root::at(root))
}

/// Both drivers, one region and several, none, and a port on a virtual function.
#[test]
fn what_is_found_directly_is_what_a_scan_finds() {
    let mut direct = 0;
    for machine in Machine::presets() {
        let (_directory, root) = tree(machine);
        let inventory = scan(&root);
        for (card, slot) in inventory.slots() {
            let number = slot.nodes[0].number.unwrap();
            let scanned = Target::new(&root, card, slot);
            assert_eq!(Target::find(&root, number).as_ref(), Some(&scanned));
            if let Some(found) = Target::find_directly(&root, number) {
                assert_eq!(found, scanned);
                direct += 1;
            }
        }
    }
    // pac-a10: 1; r740: 2; mixed: all but the two regions of the d5005, the n3000 and the card
    // with a virtual function, which has two regions.
    assert_eq!(direct, 1 + 2 + 2);
}

#[test]
fn other_numbers_are_no_ports() {
    let (_directory, root) = tree("r740");
    let management = scan(&root).cards[0].management.as_ref().and_then(|node| node.number);
    assert_eq!(Target::find(&root, management.unwrap()), None);
    assert_eq!(Target::find(&root, DeviceNumber { major: 1, minor: 3 }), None);
}

#[test]
fn ports_are_found_by_name() {
    let (_directory, root) = tree("r740");
    let inventory = scan(&root);
    let (card, slot) = slot_by_name(&inventory, "dfl-port.1").unwrap();
    assert_eq!((card.id.to_string().as_str(), slot.number), ("0000:86:00.0", 0));
    assert_eq!(slot_by_number(&inventory, slot.nodes[0].number.unwrap()), Some((card, slot)));
    assert!(slot_by_name(&inventory, "dfl-port.2").is_none());
}
