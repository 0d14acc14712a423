//! Programmings that succeed, and those that are refused before anything is touched.

use std::time::Duration;

use fpga_emulator::ctl::Command;

use crate::emulator::{Emulator, NLB0, NLB3, TWO_CARDS};
use crate::helper::{INTERFACE, Report, Request, Verb};

const PORT: &str = "dfl-port.0";
/// A register of the loopback function that a reset clears: the destination's address.
const DESTINATION: u64 = 0x128;
/// The beginning of every message about that port.
const PLACE: &str = "region 69528db6eb31577a8c3668f9faa081f6, card 0000:3b:00.0, port dfl-port.0: ";

fn request(emulator: &Emulator, afu: &str) -> Request {
    Request::new(Verb::Program, emulator.root(), PORT, afu)
}

fn run(emulator: &Emulator, request: &Request) -> Report {
    emulator.spawn(request).finish()
}

/// Upstream: TestProcess, "Reprogramming".
#[test]
fn a_region_gets_the_function_and_the_other_card_keeps_its_own() {
    let emulator = Emulator::start(TWO_CARDS);
    let before = emulator.function("dfl-port.1");
    let report = run(&emulator, &request(&emulator, NLB0));
    assert_eq!(report.one("done "), format!("Programmed {NLB0}"), "{report:?}");
    assert_eq!(report.all("warning "), [""; 0]);
    let steps: Vec<_> =
        report.all("step ").iter().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(
        steps,
        [
            "locking the card",
            "verifying",
            "clearing errors",
            "programming",
            "reading back",
            "resetting the port"
        ]
    );
    assert_eq!(emulator.function(PORT).to_string(), NLB0);
    assert_eq!(emulator.function("dfl-port.1"), before);
}

#[test]
fn the_out_of_tree_driver_is_programmed_the_same() {
    let machine = TWO_CARDS.replace("kind =", "driver = \"opae\"\nkind =");
    let emulator = Emulator::start(&machine);
    let port = "intel-fpga-port.0";
    emulator.control(&Command::PortError { card: "near".into(), port: 0, bits: 1 });
    let report = run(&emulator, &Request { device: port.into(), ..request(&emulator, NLB0) });
    assert_eq!(report.one("done "), format!("Programmed {NLB0}"), "{report:?}");
    assert_eq!(emulator.function(port).to_string(), NLB0);
    let errors = || emulator.attribute(port, "errors/errors") == "0x0";
    crate::emulator::eventually("the errors are cleared", errors);
}

#[test]
fn a_dry_run_changes_nothing_and_says_so() {
    let emulator = Emulator::start(TWO_CARDS);
    emulator.control(&Command::PortError { card: "near".into(), port: 0, bits: 1 });
    let report = run(&emulator, &Request { dry_run: true, ..request(&emulator, NLB0) });
    assert_eq!(report.one("done "), format!("DryRun {NLB0}"));
    assert_eq!(emulator.function(PORT).to_string(), NLB3);
    assert_eq!(emulator.attribute(PORT, "errors/errors"), "0x1");
    // It checks what a run would.
    let mut wrong = Request { dry_run: true, ..request(&emulator, NLB0) };
    wrong.image.interface = "0".repeat(32);
    assert!(run(&emulator, &wrong).one("error ").starts_with("Incompatible "));
}

/// Upstream: TestProcess, "Programming fails"; the driver is not even asked here.
#[test]
fn an_image_for_another_interface_is_refused() {
    let emulator = Emulator::start(TWO_CARDS);
    let mut wrong = request(&emulator, NLB0);
    wrong.image.interface = "9926ab6d6c925a68aabca7d84c545738".into();
    let report = run(&emulator, &wrong);
    assert_eq!(
        report.one("error "),
        format!(
            "Incompatible {PLACE}the image is for interface 9926ab6d6c925a68aabca7d84c545738, and \
             the region's is {INTERFACE}: wanted function {NLB0}, file /srv/test.gbs"
        )
    );
    assert_eq!(report.time("locking the card"), None, "nothing was touched");
    assert_eq!(emulator.function(PORT).to_string(), NLB3);
}

/// A mis-named file must not load something else than was asked for.
#[test]
fn an_image_with_another_function_is_refused() {
    let emulator = Emulator::start(TWO_CARDS);
    let wrong = Request { function: Some(NLB3.into()), ..request(&emulator, NLB0) };
    assert_eq!(
        run(&emulator, &wrong).one("error "),
        format!(
            "Incompatible {PLACE}the image holds function {NLB0}: wanted function {NLB3}, file /srv/test.gbs"
        )
    );
}

#[test]
fn a_port_in_use_is_refused_and_its_user_named() {
    let emulator = Emulator::start(TWO_CARDS);
    let mut user = emulator.spawn(&Request { verb: Verb::Open, ..request(&emulator, NLB0) });
    user.wait_for("open");
    let report = run(&emulator, &request(&emulator, NLB0));
    let error = report.one("error ");
    let start = format!("InUse {PLACE}the port is in use by process {} (program-", user.id());
    let end = format!(": wanted function {NLB0}, found {NLB3}, file /srv/test.gbs");
    assert!(error.starts_with(&start) && error.ends_with(&end), "{error}");
    assert_eq!(report.time("programming"), None);
    assert_eq!(emulator.function(PORT).to_string(), NLB3);
    // Nor is it reset.
    let reset = run(&emulator, &Request { verb: Verb::Reset, ..request(&emulator, NLB0) });
    assert!(reset.one("error ").starts_with("InUse "));

    let forced = Request { ignore_users: true, ..request(&emulator, NLB0) };
    let report = run(&emulator, &forced);
    assert_eq!(report.one("done "), format!("Programmed {NLB0}"));
    let warning = format!("the port is in use by process {} (program-", user.id());
    assert!(report.one("warning ").starts_with(&warning), "{report:?}");
}

/// A process that was killed a moment ago may still be closing its files.
#[test]
fn a_user_that_is_leaving_is_waited_for() {
    let emulator = Emulator::start(TWO_CARDS);
    let mut user = emulator.spawn(&Request { verb: Verb::Open, ..request(&emulator, NLB0) });
    user.wait_for("open");
    let mut helper = emulator.spawn(&request(&emulator, NLB0));
    while !helper.wait_for("step").ends_with("verifying") {}
    // The port has been looked at by then, and is looked at for longer than that.
    std::thread::sleep(Duration::from_millis(100));
    user.kill();
    assert_eq!(helper.finish().one("done "), format!("Programmed {NLB0}"));
}

#[test]
fn a_card_without_a_region_is_refused() {
    let emulator = Emulator::start(
        "[[card]]\nname = \"n3000\"\nkind = \"n3000\"\npci = \"0000:86:00.0\"\n\
         [[card.port]]\nafu = \"hello\"\n",
    );
    assert_eq!(
        run(&emulator, &request(&emulator, NLB0)).one("error "),
        format!(
            "Incompatible card 0000:86:00.0, port dfl-port.0: the card has no region behind this port \
             that can be programmed: wanted function {NLB0}, file /srv/test.gbs"
        )
    );
}

#[test]
fn a_reset_clears_errors_and_keeps_the_function() {
    let emulator = Emulator::start(TWO_CARDS);
    emulator.control(&Command::PortError { card: "near".into(), port: 0, bits: 1 << 32 });
    let report = run(&emulator, &Request { verb: Verb::Reset, ..request(&emulator, NLB0) });
    assert_eq!(report.one("done"), " ");
    assert_eq!(
        report.one("warning "),
        "errors of an earlier user were cleared: the function did not answer a register read in time"
    );
    // Clearing errors holds the port in reset too, so the reset itself is seen without any.
    emulator.set_register(PORT, DESTINATION, 0xdead);
    let report = run(&emulator, &Request { verb: Verb::Reset, ..request(&emulator, NLB0) });
    assert_eq!(report.all("warning "), [""; 0]);
    assert_eq!(emulator.register(PORT, DESTINATION), 0);
    assert_eq!(emulator.function(PORT).to_string(), NLB3);
}
