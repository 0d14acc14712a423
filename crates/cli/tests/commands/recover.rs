//! `recover`: a region that a failed programming left disabled.

use fpga_emulator::ctl::Command;
use serde_json::json;

use crate::machine::{INTERFACE, NLB0, NLB3, Running};

const ADDRESS: &str = "0000:3b:00.0";

/// A machine whose card refused a bitstream.
fn disabled() -> Running {
    let running = Running::preset("r740");
    running.node.gbs("nlb0.gbs", INTERFACE, NLB0);
    running.control(&Command::PrError { card: ADDRESS.into(), bits: 2 });
    running.run(&["program", "nlb0.gbs", "dfl-port.0"]).ended(8);
    running.control(&Command::PrError { card: ADDRESS.into(), bits: 0 });
    running
}

#[test]
fn a_disabled_region_works_again() {
    let running = disabled();
    let answer = running.run(&["recover", "dfl-port.0", "-o", "json"]).ended(0);
    let expected = json!({
        "card": ADDRESS,
        "ports": [{"port": "dfl-port.0", "state": "loaded", "afuId": NLB3}],
        "warnings": [],
    });
    assert_eq!(answer.json(), expected);
    running.run(&["program", "nlb0.gbs", "dfl-port.0"]).ended(0);
}

#[test]
fn the_ports_that_came_back_are_told() {
    let running = disabled();
    let answer = running.run(&["recover", "3b:00.0"]).ended(0);
    assert_eq!(
        answer.stdout,
        format!("card {ADDRESS}: recovered\ndfl-port.0: {NLB3} (nlb_mode_3)\n")
    );
}

/// The region is disabled as long as the driver knows the card.
#[test]
fn a_card_is_removed_and_found_again() {
    let running = disabled();
    let answer = running.run(&["recover", "dfl-port.0", "--rescan"]).ended(0);
    assert_eq!(
        answer.stdout,
        format!("card {ADDRESS}: recovered\ndfl-port.0: {NLB3} (nlb_mode_3)\n")
    );
    running.run(&["program", "nlb0.gbs", "dfl-port.0"]).ended(0);
}

/// It reads as busy, as one that is being programmed does for a moment.
#[test]
fn a_disabled_region_is_shown_with_code_4() {
    let running = disabled();
    for args in [&["list"][..], &["show", "dfl-port.0"]] {
        let answer = running.run(args).ended(4);
        let expected = format!(
            "fpgactl: dfl-port.0: its region is disabled since programming failed: run `fpgactl recover {ADDRESS}`\n"
        );
        assert_eq!(answer.stderr, expected, "{args:?}");
    }
    running.run(&["show", "dfl-port.1"]).ended(0);
    running.run(&["recover", "dfl-port.0"]).ended(0);
    running.run(&["list"]).ended(0);
}

/// As a recovery leaves it that was killed halfway.
#[test]
fn a_card_without_a_driver_gets_it() {
    let running = disabled();
    let unbind = "sys/bus/pci/drivers/dfl-pci/unbind".into();
    running.control(&Command::Write { path: unbind, text: ADDRESS.into() });
    running.run(&["show", "dfl-port.0"]).ended(3);
    let answer = running.run(&["recover", ADDRESS]).ended(0);
    assert_eq!(
        answer.stdout,
        format!("card {ADDRESS}: recovered\ndfl-port.0: {NLB3} (nlb_mode_3)\n")
    );
}

/// As Linux 6.1 leaves a port that was assigned.
#[test]
fn a_port_without_a_driver_gets_it() {
    let running = Running::preset("pac-a10");
    running.run(&["port", "release", "dfl-port.0"]).ended(0);
    running.run(&["port", "assign", "3b:00.0", "0"]).ended(0);
    let answer = running.run(&["recover", "3b:00.0"]).ended(0);
    assert_eq!(
        answer.stdout,
        format!("card {ADDRESS}: recovered\ndfl-port.0: {NLB3} (nlb_mode_3)\n")
    );
}

#[test]
fn a_driver_that_cannot_be_unbound_is_code_1() {
    let running = disabled();
    std::fs::remove_file(running.node.root().join("sys/bus/pci/drivers/dfl-pci/unbind")).unwrap();
    let answer = running.run(&["recover", "3b:00.0"]).ended(1);
    assert!(answer.stderr.contains("dfl-pci/unbind: cannot write"), "{answer:?}");
}
