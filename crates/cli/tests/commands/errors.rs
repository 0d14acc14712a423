//! `errors`, on static trees and emulated cards.

use std::fs;
use std::os::unix::fs::symlink;

use fpga_emulator::ctl::Command;
use serde_json::json;

use crate::machine::{Node, Running, eventually};

#[test]
fn a_sound_machine_has_none() {
    let node = Node::preset("mixed");
    let answer = node.run(&["errors"]).ended(0);
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("no errors\n", ""));
    assert_eq!(node.run(&["errors", "-o", "json"]).ended(0).json(), json!([]));
    node.run(&["errors", "dfl-port.0"]).ended(0);
}

#[test]
fn errors_are_told_in_words_with_code_4() {
    let node = Node::preset("r740");
    fs::write(node.attribute("dfl-port.0", "errors/errors"), "0x8001000000000001\n").unwrap();
    fs::write(node.attribute("dfl-fme.1", "errors/pcie0_errors"), "0x20\n").unwrap();
    let answer = node.run(&["errors"]).ended(4);
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{answer:?}");
    assert!(lines[0].starts_with("CARD ") && lines[0].ends_with(" MEANING"), "{}", lines[0]);
    assert!(
        lines[1]
            .ends_with("read requests overflowed, page fault on a request of the function, bit 63"),
        "{}",
        lines[1]
    );
    assert!(lines[2].ends_with("completion with an unknown tag"), "{}", lines[2]);

    let answer = node.run(&["errors", "86:00.0", "-o", "json"]).ended(4);
    let expected = json!([{
        "card": "0000:86:00.0", "device": "dfl-fme.1", "register": "pcie0_errors", "value": "0x20",
        "errors": [{"bit": 5, "name": "CompTagErr", "words": "completion with an unknown tag"}],
    }]);
    assert_eq!(answer.json(), expected);
    // The other card's errors are not its.
    node.run(&["errors", "dfl-port.1"]).ended(0);
    node.run(&["errors", "dfl-port.0"]).ended(4);
}

#[test]
fn registers_of_cards_and_ports_are_cleared() {
    let running = Running::preset("mixed");
    for card in ["0000:3b:00.0", "0000:d8:00.0"] {
        running.control(&Command::PortError { card: card.into(), port: 0, bits: 1 << 32 });
        running.control(&Command::FmeError { card: card.into(), bits: 1 });
    }
    let devices = ["dfl-fme.0", "dfl-port.0", "intel-fpga-fme.0", "intel-fpga-port.0"];
    eventually("four devices have errors", || {
        let text = running.run(&["errors"]).stdout;
        devices.iter().all(|device| text.contains(device))
    });
    let rows = running.run(&["errors", "--clear", "-o", "json"]).ended(0).json();
    let states = |register: &str| {
        let rows = rows.as_array().unwrap().iter();
        let rows = rows.filter(|row| row["register"].as_str().unwrap().ends_with(register));
        rows.map(|row| row["cleared"]["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states("fme_errors"), ["yes"]);
    assert_eq!(states("fme-errors/errors"), ["yes"]);
    eventually("no device has errors", || running.run(&["errors"]).code == Some(0));
}

/// The first error is read-only in the drivers. A register that cannot be written is here one that
/// leads to a number which the kernel lets nobody change.
#[test]
fn what_cannot_be_cleared_is_code_4_and_does_not_stop_the_rest() {
    let node = Node::preset("r740");
    let fixed = node.attribute("dfl-fme.0", "errors/pcie0_errors");
    fs::remove_file(&fixed).unwrap();
    symlink("/proc/sys/kernel/cap_last_cap", &fixed).unwrap();
    let register = node.attribute("dfl-fme.1", "errors/fme_errors");
    fs::write(&register, "0x3\n").unwrap();
    fs::write(node.attribute("dfl-fme.1", "errors/first_error"), "0x1\n").unwrap();

    let answer = node.run(&["errors", "--clear"]).ended(4);
    assert!(
        answer.stderr.contains("errors/pcie0_errors: cannot write: Permission denied"),
        "{answer:?}"
    );
    let rows = answer.stdout.lines().skip(1);
    let cleared: Vec<&str> = rows.map(|row| row.split_whitespace().nth(4).unwrap()).collect();
    assert_eq!(cleared, ["no", "yes", "read-only"]);
    // What the driver wants written is the value that is set.
    assert_eq!(fs::read_to_string(&register).unwrap(), "0x3");
}

/// Of registers that nobody could read nobody knows that they are without errors.
#[test]
fn registers_that_cannot_be_read_are_not_without_errors() {
    let running = Running::preset("r740");
    let fail = |path: &str, error: Option<&str>| {
        let path = format!("sys/bus/platform/devices/{path}").into();
        running.control(&Command::AttributeError { path, error: error.map(str::to_owned) });
    };
    for (path, object, other) in [
        ("dfl-port.0/errors/errors", "dfl-port.0", "dfl-port.1"),
        ("dfl-fme.0/errors/catfatal_errors", "3b:00.0", "86:00.0"),
    ] {
        fail(path, Some("EIO"));
        for args in [&["errors"][..], &["errors", object], &["errors", "--clear"]] {
            let answer = running.run(args).ended(4);
            assert_eq!(answer.stdout, "", "{args:?}");
            assert!(answer.stderr.contains(": I/O error"), "{args:?}: {answer:?}");
        }
        assert_eq!(running.run(&["errors", other]).ended(0).stdout, "no errors\n");
        assert_eq!(running.run(&["errors", "-o", "json"]).ended(4).json(), json!([]));
        fail(path, None);
    }
    assert_eq!(running.run(&["errors"]).ended(0).stdout, "no errors\n");
    // Nor are those of a port without its driver, or of no card at all.
    let node = Node::preset("r740");
    for name in ["afu_id", "driver"] {
        fs::remove_file(node.attribute("dfl-port.0", name)).unwrap();
    }
    let answer = node.run(&["errors", "dfl-port.0"]).ended(4);
    assert_eq!(answer.stdout, "");
    assert!(answer.stderr.contains("no driver is bound"), "{answer:?}");
    assert_eq!(Node::bare().run(&["errors"]).ended(3).stdout, "");
}

#[test]
fn clearing_without_errors_touches_nothing() {
    // No emulator answers: any call of the driver would fail.
    let node = Node::preset("r740");
    let answer = node.run(&["errors", "--clear"]).ended(0);
    assert_eq!(answer.stdout, "no errors\n");
    node.run(&["errors", "--force"]).ended(2);
    node.run(&["errors", "dfl-port.9"]).ended(3);
    Node::bare().run(&["errors"]).ended(3);
}
