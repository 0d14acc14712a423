//! Programmings that the card or the driver refuses, and what is said about them.

use fpga_emulator::ctl::Command;

use crate::emulator::{Emulator, NLB0, NLB3, TWO_CARDS, eventually};
use crate::helper::{Report, Request, Verb};

const PORT: &str = "dfl-port.0";

fn request(emulator: &Emulator, port: &str) -> Request {
    Request::new(Verb::Program, emulator.root(), port, NLB0)
}

fn fails_with(machine: &str, port: &str, bits: u64) -> Report {
    let emulator = Emulator::start(machine);
    emulator.control(&Command::PrError { card: "near".into(), bits });
    emulator.spawn(&request(&emulator, port)).finish()
}

const WORDS: [&str; 5] = [
    "reconfig operation error",
    "reconfig CRC error",
    "reconfig incompatible image",
    "reconfig IP protocol error",
    "reconfig fifo overflow error",
];

/// The in-tree driver tells through its manager, and leaves the region disabled.
#[test]
fn every_error_of_the_card_is_named() {
    for (bit, words) in (0..).zip(WORDS) {
        let report = fails_with(TWO_CARDS, PORT, 1 << bit);
        let error = report.one("error ");
        assert!(error.starts_with("Disabled region "), "{error}");
        assert!(
            error.contains(&format!(
                "dfl-fme.0: cannot program: the card reported reconfiguration errors (EIO); {words}; \
                 the manager's state is \"write complete error\"; the region is disabled since"
            )),
            "{error}"
        );
        let end =
            format!(": wanted function {NLB0}, found the region disabled, file /srv/test.gbs");
        assert!(error.ends_with(&end), "{error}");
        assert!(report.time("resetting the port").is_none());
    }
}

/// The out-of-tree driver tells in the call's status word.
#[test]
fn every_status_of_the_out_of_tree_driver_is_named() {
    let machine = TWO_CARDS.replace("kind =", "driver = \"opae\"\nkind =");
    for (bit, words) in (0..).zip(WORDS) {
        let report = fails_with(&machine, "intel-fpga-port.0", 1 << bit);
        let error = report.one("error ");
        assert!(error.starts_with("Failed region "), "{error}");
        let status = format!("reconfiguration status {:#x}; {words}: wanted", 1 << bit);
        assert!(error.contains(&status), "{error}");
        assert!(error.contains(&format!("found {NLB3}")), "{error}");
    }
}

#[test]
fn several_errors_are_all_named() {
    let report = fails_with(TWO_CARDS, PORT, 0b10010);
    assert!(
        report.one("error ").contains("reconfig CRC error; reconfig fifo overflow error"),
        "{report:?}"
    );
}

#[test]
fn a_broken_image_is_named_by_its_checksum() {
    let emulator = Emulator::start(TWO_CARDS);
    let mut broken = request(&emulator, PORT);
    broken.image.is_broken = true;
    let report = emulator.spawn(&broken).finish();
    assert!(report.one("error ").contains("; reconfig CRC error; "), "{report:?}");
    // The other card goes on.
    let other = emulator.spawn(&request(&emulator, "dfl-port.1")).finish();
    assert_eq!(other.one("done "), format!("Programmed {NLB0}"));
}

/// The last defence against a container with another function than it was promised.
#[test]
fn success_with_another_function_is_an_error() {
    let emulator = Emulator::start(TWO_CARDS);
    let hello = emulator.function("dfl-port.1").to_string();
    let mut lying = request(&emulator, PORT);
    lying.image.loads = Some(hello.clone());
    let report = emulator.spawn(&lying).finish();
    let error = report.one("error ");
    assert!(error.starts_with("Mismatch region "), "{error}");
    let end = format!(
        ": programming succeeded, but the region shows another function: wanted function {NLB0}, \
         found {hello}, file /srv/test.gbs"
    );
    assert!(error.ends_with(&end), "{error}");
}

/// A programming by another tool is waited for, and not taken for a region that is disabled for good.
#[test]
fn a_tool_that_takes_no_lock_is_waited_for() {
    let emulator = Emulator::start(TWO_CARDS);
    emulator.control(&Command::PrTime { card: "near".into(), ms: 1500 });
    let mut foreign = emulator.spawn(&Request {
        verb: Verb::Foreign,
        device: "dfl-fme.0".into(),
        ..request(&emulator, PORT)
    });
    foreign.wait_for("programming");
    let afu_id = emulator.tree().platform_device(PORT).join("afu_id");
    eventually("the region is being programmed", || std::fs::read(&afu_id).is_err());

    let hasty = Request { lock_timeout_ms: 50, ..request(&emulator, PORT) };
    let report = emulator.spawn(&hasty).finish();
    let error = report.one("error ");
    assert!(error.starts_with("Locked region "), "{error}");
    assert!(error.contains("programmed by somebody who does not take the card's lock"), "{error}");

    let report = emulator.spawn(&request(&emulator, PORT)).finish();
    // Whether that tool's image is ours nobody can say.
    assert_eq!(report.one("done "), format!("Programmed {NLB0}"));
    assert_eq!(foreign.finish().one("done"), " ");
}

/// `PR_WAIT_TIMEOUT` in `dfl-fme-mgr.c` is 8 s.
#[test]
fn a_card_that_does_not_finish_is_named() {
    let emulator = Emulator::start(TWO_CARDS);
    emulator.control(&Command::PrStall { card: "near".into(), on: true });
    let report = emulator.spawn(&request(&emulator, PORT)).finish();
    let error = report.one("error ");
    assert!(error.starts_with("Disabled region "), "{error}");
    assert!(
        error.contains("cannot program: the card did not answer in time (ETIMEDOUT)"),
        "{error}"
    );
}

/// Errors of the management engine that were there before are not this programming's.
#[test]
fn error_registers_are_decoded_when_they_are_new() {
    let emulator = Emulator::start(TWO_CARDS);
    let card = || "near".to_owned();
    emulator.control(&Command::FmeError { card: card(), bits: 1 << 5 });
    emulator.control(&Command::PrError { card: card(), bits: 1 });
    emulator.control(&Command::PrTime { card: card(), ms: 2000 });
    let mut helper = emulator.spawn(&request(&emulator, PORT));
    loop {
        if helper.line().unwrap().ends_with(" programming") {
            break;
        }
    }
    emulator.control(&Command::FmeError { card: card(), bits: 1 << 6 });
    emulator.control(&Command::PortError { card: card(), port: 0, bits: 1 << 50 });
    let report = helper.finish();
    let error = report.one("error ");
    assert!(error.contains("; fme_errors: event of the board's power management;"), "{error}");
    assert!(error.contains("; port errors: power state AP6: "), "{error}");
    assert!(!error.contains("wrong kind of PCI function"), "{error}");
}

/// The emulator checks that the process lives before it commits, as the kernel's wait is not
/// interruptible: a kill either comes in time or not at all.
#[test]
fn a_programmer_that_is_killed_leaves_the_function_and_the_lock() {
    let emulator = Emulator::start(TWO_CARDS);
    emulator.control(&Command::PrTime { card: "near".into(), ms: 60_000 });
    let mut helper = emulator.spawn(&request(&emulator, PORT));
    loop {
        if helper.line().unwrap().ends_with(" programming") {
            break;
        }
    }
    let afu_id = emulator.tree().platform_device(PORT).join("afu_id");
    eventually("the region is being programmed", || std::fs::read(&afu_id).is_err());
    helper.kill();
    eventually("the region is back", || std::fs::read(&afu_id).is_ok());
    assert_eq!(emulator.function(PORT).to_string(), NLB3);
    emulator.control(&Command::PrTime { card: "near".into(), ms: 0 });
    let report = emulator.spawn(&request(&emulator, PORT)).finish();
    assert_eq!(report.one("done "), format!("Programmed {NLB0}"));
}
