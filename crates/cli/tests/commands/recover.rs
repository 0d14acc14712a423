//! `recover`: a region that a failed programming left disabled.

use fpga_emulator::ctl::Command;
use serde_json::json;

use crate::machine::{INTERFACE, NLB0, NLB3, Running, eventually};

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

/// The emulator has no `bind` and `unbind`: this is the kernel behind them.
fn recover(running: &Running, args: &[&str]) -> crate::machine::Answer {
    let driver = running.node.root().join("sys/bus/pci/drivers/dfl-pci");
    let (unbind, bind) = (driver.join("unbind"), driver.join("bind"));
    for file in [&unbind, &bind] {
        std::fs::write(file, "").unwrap();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let is_written = |file| std::fs::read_to_string(file).is_ok_and(|text| text == ADDRESS);
            eventually("the driver is bound again", || is_written(&unbind) && is_written(&bind));
            running.control(&Command::Rebind { card: ADDRESS.into() });
        });
        running.run(&[&["recover"], args].concat())
    })
}

#[test]
fn a_disabled_region_works_again() {
    let running = disabled();
    let answer = recover(&running, &["dfl-port.0", "-o", "json"]).ended(0);
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
    let answer = recover(&running, &["3b:00.0"]).ended(0);
    assert_eq!(
        answer.stdout,
        format!("card {ADDRESS}: recovered\ndfl-port.0: {NLB3} (nlb_mode_3)\n")
    );
}

#[test]
fn a_driver_that_cannot_be_unbound_is_code_1() {
    let running = disabled();
    let answer = running.run(&["recover", "3b:00.0"]).ended(1);
    assert!(answer.stderr.contains("dfl-pci/unbind: cannot write"), "{answer:?}");
}
