//! The clock that an image asks for: set before the image is loaded, counted, or refused.

use std::fs;
use std::path::Path;

use fpga::ledger::State;
use fpga_emulator::bitstream_writer as writer;
use fpga_emulator::ctl::{Command, Fault};

use crate::emulator::{Emulator, NLB0, NLB3, TWO_CARDS};
use crate::helper::{INTERFACE, Purpose, Report, Request, Verb};

const PORT: &str = "dfl-port.0";

/// `TWO_CARDS` of another kind, on a driver.
fn cards(kind: &str, driver: &str) -> Emulator {
    let line = format!("driver = \"{driver}\"\nkind = \"{kind}\"");
    let machine = TWO_CARDS.replace("kind = \"pac-a10\"", &line);
    Emulator::start(
        &machine
            .replace("[[card.port]]", &format!("interface_id = \"{INTERFACE}\"\n[[card.port]]")),
    )
}

fn asking(emulator: &Emulator, port: &str, high: f64, low: f64) -> Request {
    let mut request = Request::new(Verb::Program, emulator.root(), port, NLB0);
    request.image.clock = (Some(high), Some(low));
    request
}

fn run(emulator: &Emulator, request: &Request) -> Report {
    emulator.spawn(request).finish()
}

/// What the card's own counter shows, in kHz.
fn counted(emulator: &Emulator, port: &str) -> u64 {
    let status = emulator.attribute(port, "userclk_freqcntrsts");
    (u64::from_str_radix(status.strip_prefix("0x").unwrap(), 16).unwrap() & 0x1_ffff) * 10
}

#[test]
fn an_image_gets_the_clock_that_it_asks_for() {
    for (kind, driver, port) in [
        ("pac-a10", "dfl", PORT),
        ("pac-a10", "opae", "intel-fpga-port.0"),
        // The other reference.
        ("integrated", "dfl", PORT),
    ] {
        let emulator = cards(kind, driver);
        let report = run(&emulator, &asking(&emulator, port, 300.0, 150.0));
        assert_eq!(report.one("done "), format!("Programmed {NLB0}"), "{kind}: {report:?}");
        assert_eq!(report.one("clock "), "300 and 150 MHz", "{kind}");
        assert_eq!(report.all("warning "), [""; 0]);
        assert_eq!(counted(&emulator, port), 300_000, "{kind}");
        let steps = report.all("step ");
        let at = |what| steps.iter().position(|step| step.ends_with(what)).unwrap();
        assert!(at(" setting the user clock") < at(" programming"), "{steps:?}");
    }
}

#[test]
fn an_integer_pll_is_set_through_its_driver() {
    for (driver, port, device) in
        [("dfl", PORT, "dfl_dev.0"), ("opae", "intel-fpga-port.0", "intel-pac-iopll.0.auto")]
    {
        let emulator = cards("d5005", driver);
        let frequency = || emulator.attribute(port, &format!("{device}/userclk/frequency"));
        assert_eq!(frequency(), "50000 100000");
        let report = run(&emulator, &asking(&emulator, port, 322.0, 161.0));
        assert_eq!(report.one("done "), format!("Programmed {NLB0}"), "{driver}: {report:?}");
        // The nearest setting.
        assert_eq!(report.one("clock "), "321.87 and 160.93 MHz");
        assert_eq!(frequency(), "160930 321870");
    }
}

#[test]
fn the_fraction_of_a_mhz_is_dropped_and_a_missing_frequency_follows_from_the_other() {
    let emulator = cards("pac-a10", "dfl");
    for (clock, expected) in [
        ((Some(312.5), None), "312 and 156 MHz"),
        ((None, Some(100.0)), "200 and 100 MHz"),
        ((Some(25.0), None), "25 and 12.5 MHz"),
        ((Some(600.0), Some(300.0)), "600 and 300 MHz"),
    ] {
        let mut request = asking(&emulator, PORT, 0.0, 0.0);
        request.image.clock = clock;
        assert_eq!(run(&emulator, &request).one("clock "), expected);
    }
}

/// Before the card is even locked.
#[test]
fn a_clock_that_a_card_cannot_have_is_refused_before_anything_is_touched() {
    let start = |clock: &str| {
        format!("the image asks for a user clock of {clock}, which this port cannot have: ")
    };
    for (kind, (high, low), clock, reason) in [
        (
            "n6001",
            (300.0, 150.0),
            "300 MHz and 150 MHz",
            "the driver shows nothing to set it with (",
        ),
        (
            "pac-a10",
            (300.0, 200.0),
            "300 MHz and 200 MHz",
            "the nearest that the card has is 300 and 150 MHz: ",
        ),
        (
            "pac-a10",
            (700.0, 350.0),
            "700 MHz and 350 MHz",
            "it is out of the range of the card's clock generator: ",
        ),
        ("pac-a10", (1e300, 1e300), "", "it is out of the range of the card's clock generator: "),
        (
            "d5005",
            (700.0, 350.0),
            "700 MHz and 350 MHz",
            "the nearest that the card has is 350 and 350 MHz: ",
        ),
    ] {
        let emulator = cards(kind, "dfl");
        for dry_run in [false, true] {
            let request = Request { dry_run, ..asking(&emulator, PORT, high, low) };
            let report = run(&emulator, &request);
            let error = report.one("error ");
            assert!(error.starts_with("Incompatible "), "{kind}: {error}");
            assert!(
                error.contains(&(start(clock) + reason)) || clock.is_empty(),
                "{kind}: {error}"
            );
            assert!(error.contains(reason), "{kind}: {error}");
            assert_eq!(report.all("step "), [""; 0]);
            assert_eq!(emulator.function(PORT).to_string(), NLB3);
        }
    }
}

#[test]
fn an_image_without_a_clock_needs_none() {
    let emulator = cards("n6001", "dfl");
    let report = run(&emulator, &Request::new(Verb::Program, emulator.root(), PORT, NLB0));
    assert_eq!(report.one("done "), format!("Programmed {NLB0}"));
    assert_eq!(report.all("clock "), [""; 0]);
}

#[test]
fn a_dry_run_leaves_the_clock_as_it_is() {
    let emulator = cards("pac-a10", "dfl");
    let before = emulator.attribute(PORT, "userclk_freqsts");
    let request = Request { dry_run: true, ..asking(&emulator, PORT, 300.0, 150.0) };
    assert!(run(&emulator, &request).one("done ").starts_with("DryRun "));
    assert_eq!(emulator.attribute(PORT, "userclk_freqsts"), before);
}

#[test]
fn a_generator_that_does_not_lock_fails_before_the_image_is_loaded() {
    let emulator = cards("pac-a10", "dfl");
    let fault = |fault| {
        emulator.control(&Command::FunctionFault { card: "near".into(), port: 0, fault });
    };
    fault(Fault::Clock);
    let mut request = asking(&emulator, PORT, 300.0, 150.0);
    request.purpose = Some(Purpose::Owner("c1".into(), None));
    let error = run(&emulator, &request).one("error ").to_owned();
    let text = "the user clock of 300 MHz and 150 MHz that the image asks for could not be set: the clock \
                generator does not lock (";
    assert!(error.starts_with("Failed ") && error.contains(text), "{error}");
    assert_eq!(emulator.function(PORT).to_string(), NLB3);
    let id = "0000-3b-00-0-slot0".parse().unwrap();
    let entry = emulator.tree().ledger().read(id).unwrap().unwrap();
    assert_eq!((entry.state, entry.owner), (State::Failed, None));

    fault(Fault::None);
    assert_eq!(run(&emulator, &request).one("clock "), "300 and 150 MHz");
}

/// An image that is there already is left there only with its clock.
#[test]
fn a_clock_that_was_changed_is_set_again() {
    let emulator = cards("pac-a10", "dfl");
    let files = tempfile::tempdir().unwrap();
    let mut request = asking(&emulator, PORT, 0.0, 0.0);
    request.clean = true;
    request.image.file = Some(image(files.path()));
    assert_eq!(run(&emulator, &request).one("clock "), "400 and 200 MHz");
    let again = run(&emulator, &request);
    assert_eq!(again.one("done "), format!("AlreadyLoaded {NLB0}"));
    assert_eq!(again.one("clock "), "400 and 200 MHz");

    change_by_hand(&emulator, 8);
    let report = run(&emulator, &request);
    assert_eq!(
        report.one("warning "),
        "the image was loaded already, but its user clock of 400 MHz and 200.5 MHz ran at 200 and 200 MHz"
    );
    assert_eq!(report.one("done "), format!("Programmed {NLB0}"));
    assert_eq!(report.one("clock "), "400 and 200 MHz");
}

/// Who has the region may be at work: the clock is not even counted.
#[test]
fn the_clock_of_a_region_that_is_prepared_is_left_alone() {
    let emulator = cards("pac-a10", "dfl");
    let files = tempfile::tempdir().unwrap();
    let mut request = asking(&emulator, PORT, 0.0, 0.0);
    request.purpose = Some(Purpose::Owner("c1".into(), Some(std::process::id())));
    request.image.file = Some(image(files.path()));
    assert_eq!(run(&emulator, &request).one("clock "), "400 and 200 MHz");
    change_by_hand(&emulator, 8);
    let before = emulator.attribute(PORT, "userclk_freqcntrsts");
    let report = run(&emulator, &request);
    assert_eq!(report.one("done "), format!("AlreadyPrepared {NLB0}"));
    assert_eq!(emulator.attribute(PORT, "userclk_freqcntrsts"), before);
}

/// A file whose description asks for 400 and 200.5 MHz.
fn image(directory: &Path) -> std::path::PathBuf {
    let mut payload =
        fpga_emulator::card::pr::payload_head(INTERFACE.parse().unwrap(), NLB0.parse().unwrap());
    payload.resize(4096, 0);
    let path = directory.join("clock.gbs");
    fs::write(&path, writer::gbs(&writer::metadata(INTERFACE, NLB0), &payload)).unwrap();
    path
}

/// Divides the faster output by `divider`, as a program that knows the PLL would: one register, and a calibration.
fn change_by_hand(emulator: &Emulator, divider: u64) {
    let path = Path::new("sys/bus/platform/devices").join(PORT).join("userclk_freqcmd");
    // The machine is reset first, so that it knows no number.
    let access = |sequence: u64, address: u64, value: u64| {
        1 << 52 | sequence << 48 | 1 << 44 | address << 32 | value
    };
    let commands = [0, access(1, 0x10f, divider), access(2, 0x100, 2), access(3, 0, 1)];
    for command in commands {
        let text = format!("{command:#x}");
        emulator.control(&Command::Write { path: path.clone(), text });
    }
}
