use fpga::stack::intel::errors::Register;
use fpga_emulator::machine::Machine;
use fpga_emulator::tree;

use super::*;

/// A scan of an emulated machine.
fn inventory(preset: &str) -> Inventory {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("node");
    tree::create(&Machine::preset(preset).unwrap(), &dir).unwrap();
    fpga::scan::scan(&fpga::root::Root::at(&dir))
}

fn lines(before: &Inventory, now: &Inventory) -> Vec<String> {
    changes(before, now).iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_changes_by_itself() {
    let now = inventory("mixed");
    assert_eq!(lines(&now, &now), [""; 0]);
}

#[test]
fn cards_come_with_their_ports_and_go() {
    let (none, now) = (Inventory::default(), inventory("pac-a10"));
    assert_eq!(
        lines(&none, &now),
        [
            "driver dfl: loaded",
            "0000:3b:00.0: added, Intel PAC Arria 10 GX",
            "0000:3b:00.0 dfl-port.0: added, f7df405cbd7acf7222f144b0b93acd18 (nlb_mode_3)",
        ]
    );
    assert_eq!(lines(&now, &none), ["driver dfl: unloaded", "0000:3b:00.0: removed"]);
}

#[test]
fn functions_interfaces_and_ports_are_told_one_by_one() {
    let before = inventory("pac-a10");
    let mut now = before.clone();
    now.cards[0].regions[0].interface_id = None;
    now.cards[0].slots[0].function = Function::Busy;
    assert_eq!(
        lines(&before, &now),
        [
            "0000:3b:00.0 dfl-fme-region.0: interface 69528db6eb31577a8c3668f9faa081f6 -> -",
            "0000:3b:00.0 dfl-port.0: function f7df405cbd7acf7222f144b0b93acd18 (nlb_mode_3) -> busy",
        ]
    );
    now = before.clone();
    now.cards[0].slots.clear();
    assert_eq!(lines(&before, &now), ["0000:3b:00.0 dfl-port.0: removed"]);
}

#[test]
fn errors_are_told_in_words_when_they_come_change_and_go() {
    let sound = inventory("pac-a10");
    let with = |value| {
        let mut inventory = sound.clone();
        inventory.cards[0].slots[0].errors = vec![Register::read_port("errors", value)];
        inventory
    };
    let start = "0000:3b:00.0 dfl-port.0: errors = ";
    assert_eq!(lines(&sound, &with(1)), [format!("{start}0x1: read requests overflowed")]);
    assert_eq!(
        lines(&with(1), &with(1 << 48)),
        [format!("{start}0x1000000000000: page fault on a request of the function")]
    );
    assert_eq!(lines(&with(1), &sound), [format!("{start}0x0")]);
}

#[test]
fn problems_appear_and_are_solved() {
    let sound = inventory("pac-a10");
    let mut sick = sound.clone();
    let (object, message) = ("dfl-port.0".to_owned(), "afu_id: Input/output error".to_owned());
    sick.cards[0].problems.push(Problem { object, message });
    assert_eq!(lines(&sound, &sick), ["dfl-port.0: problem: afu_id: Input/output error"]);
    assert_eq!(lines(&sick, &sound), ["dfl-port.0: solved: afu_id: Input/output error"]);
}

#[test]
fn json_names_the_event() {
    let before = inventory("pac-a10");
    let mut now = before.clone();
    now.cards[0].slots[0].function = Function::Crashed;
    let json = serde_json::to_value(&changes(&before, &now)[0]).unwrap();
    let expected = serde_json::json!({
        "event": "function", "card": "0000:3b:00.0", "port": "dfl-port.0",
        "before": {"state": "loaded", "afuId": "f7df405cbd7acf7222f144b0b93acd18"},
        "after": {"state": "crashed", "afuId": null},
    });
    assert_eq!(json, expected);
}
