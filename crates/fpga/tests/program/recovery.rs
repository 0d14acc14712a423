//! A region that a failed programming left disabled, and ports that come and go.

use fpga_emulator::ctl::Command;

use crate::emulator::{Emulator, NLB0, NLB3, TWO_CARDS};
use crate::helper::{Report, Request, Verb};

const PORT: &str = "dfl-port.0";

fn run(emulator: &Emulator, verb: Verb) -> Report {
    emulator.spawn(&Request::new(verb, emulator.root(), PORT, NLB0)).finish()
}

fn fail_once(emulator: &Emulator) {
    emulator.control(&Command::PrError { card: "near".into(), bits: 2 });
    assert!(run(emulator, Verb::Program).one("error ").starts_with("Disabled "));
    emulator.control(&Command::PrError { card: "near".into(), bits: 0 });
}

/// As Linux 6.1 does it: `afu_id` answers EBUSY from then on, and a good programming cures nothing.
#[test]
fn a_disabled_region_is_named_and_recovered() {
    let emulator = Emulator::start(TWO_CARDS);
    fail_once(&emulator);
    let report = run(&emulator, Verb::Program);
    let error = report.one("error ");
    assert!(
        error.contains(
            "port dfl-port.0: the region is disabled since a programming that failed, until its driver \
             is bound again: run `fpgactl recover`"
        ),
        "{error}"
    );
    assert!(error.starts_with("Disabled ") && report.time("programming").is_none());

    let recovered = run(&emulator, Verb::Recover);
    let loaded = format!("Loaded {{ afu_id: AfuId({NLB3}) }}");
    assert_eq!(recovered.one("done "), format!("[(\"{PORT}\", {loaded})]"), "{recovered:?}");
    assert_eq!(run(&emulator, Verb::Program).one("done "), format!("Programmed {NLB0}"));
}

#[test]
fn a_card_with_a_port_in_use_is_not_recovered() {
    let emulator = Emulator::start(TWO_CARDS);
    fail_once(&emulator);
    let mut user = emulator.spawn(&Request::new(Verb::Open, emulator.root(), PORT, NLB0));
    user.wait_for("open");
    let report = run(&emulator, Verb::Recover);
    let error = report.one("error ");
    let start = format!(
        "InUse card 0000:3b:00.0 (dfl-fme.0): the port is in use by process {} (",
        user.id()
    );
    assert!(error.starts_with(&start), "{error}");
}

#[test]
fn a_driver_that_cannot_be_unbound_is_named() {
    let emulator = Emulator::start(TWO_CARDS);
    let unbind = emulator.tree().pci_driver("dfl-pci").join("unbind");
    std::fs::remove_file(&unbind).unwrap();
    let report = run(&emulator, Verb::Recover);
    assert_eq!(
        report.one("error "),
        format!(
            "Gone card 0000:3b:00.0 (dfl-fme.0): {}: cannot write: No such file or directory (ENOENT)",
            unbind.display()
        )
    );
}

/// As Linux 6.1 does it: the port comes back without a driver.
#[test]
fn a_port_is_released_and_assigned() {
    let emulator = Emulator::start(TWO_CARDS);
    let released = run(&emulator, Verb::Release);
    assert_eq!(released.one("done"), " ", "{released:?}");
    let port = emulator.tree().platform_device(PORT);
    assert!(!port.exists());
    let request = Request::new(Verb::Assign, emulator.root(), "0", NLB0);
    let assigned = emulator.spawn(&request).finish();
    assert_eq!(assigned.one("done"), " ", "{assigned:?}");
    assert_eq!(
        assigned.one("warning "),
        "the port is assigned, but no driver took it, as Linux 6.1 leaves it: run `fpgactl recover`"
    );
    let again = emulator.spawn(&request).finish();
    let error = again.one("error ");
    assert!(
        error.starts_with("InUse card 0000:3b:00.0, port 0: ")
            && error.ends_with("cannot assign a port: the port is assigned already (EBUSY)"),
        "{error}"
    );
}
