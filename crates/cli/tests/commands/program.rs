//! `program`: which region, which image, and what comes of it.

use std::process::Stdio;

use fpga_emulator::ctl::Command;
use fpga_emulator::gbs::Bitstream;
use serde_json::{Value, json};

use crate::machine::{INTERFACE, NLB0, NLB3, Node, OTHER_INTERFACE, Running};

const TWO_CARDS: &str = r#"
[[card]]
name = "near"
kind = "pac-a10"
pci = "0000:3b:00.0"
[[card.port]]
afu = "nlb3"

[[card]]
name = "far"
kind = "pac-a10"
pci = "0000:86:00.0"
interface_id = "ce48969398f05f33946d560708be108a"
[[card.port]]
afu = "hello"
"#;

/// The machine with files for both cards.
fn running() -> Running {
    let running = Running::start(TWO_CARDS);
    running.node.gbs("nlb0.gbs", INTERFACE, NLB0);
    running.node.gbs("nlb3.gbs", INTERFACE, NLB3);
    running.node.gbs("far.gbs", OTHER_INTERFACE, NLB0);
    running
}

/// The commands that a user of Intel's stack knows: read `afu_id`, write the file, read again.
#[test]
fn a_file_finds_its_region_and_is_loaded() {
    let running = running();
    assert_eq!(running.function("dfl-port.0"), NLB3);
    let answer = running.run(&["program", "nlb0.gbs"]).ended(0);
    let expected = format!(
        "port       dfl-port.0 of card 0000:3b:00.0\n\
         file       nlb0.gbs\n\
         before     {NLB3} (nlb_mode_3)\n\
         after      {NLB0} (nlb_mode_0)\n\
         result     programmed 64.00 KiB in "
    );
    assert!(answer.stdout.starts_with(&expected), "{}", answer.stdout);
    assert_eq!(answer.stderr, "fpgactl: programming 64.00 KiB\n");
    assert_eq!(running.function("dfl-port.0"), NLB0);
    // Only one region fits, whichever it is.
    running.run(&["program", "far.gbs"]).ended(0);
    assert_eq!(running.function("dfl-port.1"), NLB0);
}

#[test]
fn json_tells_everything() {
    let running = running();
    let answer = running.run(&["program", "-o", "json", "nlb0.gbs", "3b:00.0"]).ended(0);
    let mut report = answer.json();
    let seconds = report.as_object_mut().unwrap().remove("seconds").unwrap();
    assert!(seconds.as_f64().unwrap() > 0.0, "{seconds}");
    let expected = json!({
        "card": "0000:3b:00.0", "port": "dfl-port.0", "interfaceId": INTERFACE,
        "file": "nlb0.gbs", "bytes": 65536, "action": "programmed",
        "stateBefore": "loaded", "afuIdBefore": NLB3, "afuId": NLB0, "userClock": null, "warnings": [],
    });
    assert_eq!(report, expected);

    let again = running.run(&["program", "-o", "json", "nlb0.gbs", "dfl-port.0"]).ended(0).json();
    assert_eq!((&again["action"], &again["seconds"]), (&json!("alreadyLoaded"), &Value::Null));
    let again = running.run(&["program", "-o", "json", "--reprogram", "nlb0.gbs", "dfl-port.0"]);
    assert_eq!(again.ended(0).json()["action"], "programmed");
}

/// The clock is set before the image is loaded and counted; a card that has no such clock is left alone.
#[test]
fn a_user_clock_is_set_and_shown_or_refused() {
    let running = running();
    let clock = |file: &str, interface: &str| {
        let clocks = Some((300, 150));
        running
            .node
            .write_gbs(file, Bitstream { clocks, ..Node::bitstream(file, interface, NLB0) });
    };
    clock("clock.gbs", INTERFACE);
    let answer = running.run(&["program", "clock.gbs"]).ended(0);
    assert!(
        answer.stdout.contains("\nclock      300 and 150 MHz\nresult     programmed "),
        "{}",
        answer.stdout
    );
    let again = running.run(&["program", "-o", "json", "clock.gbs"]).ended(0).json();
    assert_eq!(again["action"], "alreadyLoaded");
    assert_eq!(again["userClock"], json!({"highKhz": 300_000, "lowKhz": 150_000}));

    let running = Running::start(
        &TWO_CARDS
            .replace("kind = \"pac-a10\"\npci = \"0000:86", "kind = \"n6001\"\npci = \"0000:86"),
    );
    running.node.write_gbs(
        "far.gbs",
        Bitstream { clocks: Some((300, 150)), ..Node::bitstream("far.gbs", OTHER_INTERFACE, NLB0) },
    );
    let before = running.function("dfl-port.1");
    let answer = running.run(&["program", "far.gbs"]).ended(6);
    let text =
        "the image asks for a user clock of 300 MHz and 150 MHz, which this port cannot have: ";
    assert!(answer.stderr.contains(text), "{}", answer.stderr);
    assert_eq!(answer.stderr.lines().count(), 1, "{}", answer.stderr);
    assert_eq!(running.function("dfl-port.1"), before);
}

/// Intel's tool says `OK` after a dry run, as if it had programmed.
#[test]
fn a_dry_run_does_everything_but_programming_and_says_so() {
    let running = running();
    let answer = running.run(&["program", "--dry-run", "nlb0.gbs", "dfl-port.0"]).ended(0);
    assert!(answer.stdout.contains("result     dry run: everything was checked"), "{answer:?}");
    assert_eq!(running.function("dfl-port.0"), NLB3);
    let answer = running.run(&["program", "-q", "--dry-run", "nlb0.gbs", "dfl-port.0"]).ended(0);
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("", ""));
    assert_eq!(running.function("dfl-port.0"), NLB3);
    let answer = running.run(&["program", "--dry-run", "nlb0.gbs", "dfl-port.1"]).ended(6);
    assert!(answer.stderr.contains("the image is for interface"), "{answer:?}");
}

/// No emulator answers: a dry run makes no call of the driver.
#[test]
fn a_dry_run_needs_no_card() {
    let node = Node::preset("pac-a10");
    node.gbs("nlb0.gbs", INTERFACE, NLB0);
    let answer = node.run(&["program", "--dry-run", "-o", "json", "nlb0.gbs"]).ended(0);
    assert_eq!(answer.json()["action"], "dryRun");
    let answer = node.run(&["program", "nlb0.gbs"]).ended(7);
    assert!(answer.stderr.contains("the node is not an FPGA device (ENOTTY)"), "{answer:?}");
}

#[test]
fn functions_are_found_in_the_store() {
    let running = running();
    let program = |image: &str| running.run(&["program", "--store", "store", image, "dfl-port.0"]);
    let answer = program("nlb_mode_0").ended(3);
    assert!(answer.stderr.contains("no bitstream of function"), "{answer:?}");
    let install =
        ["bitstream", "install", "-q", "--store", "store", "nlb0.gbs", "nlb3.gbs", "far.gbs"];
    running.run(&install).ended(0);
    let uuid = "F7DF405C-BD7A-CF72-22F1-44B0B93ACD18";
    let wanted =
        [("nlb_mode_0", NLB0), ("nlb_mode_3", NLB3), (NLB0, NLB0), (uuid, NLB3), ("my nlb0", NLB0)];
    for (image, function) in wanted {
        program(image).ended(0);
        assert_eq!(running.function("dfl-port.0"), function, "{image}");
    }
    let answer = program("nlb_mode_7").ended(3);
    assert!(
        answer.stderr.contains("nlb_mode_7: no function of that name for interface"),
        "{answer:?}"
    );
    // A path is a file's, and never below the store.
    let path = format!("../store/{INTERFACE}/{NLB0}");
    let answer = program(&path).ended(1);
    let expected = format!("fpgactl: {path}: cannot be opened");
    assert!(answer.stderr.starts_with(&expected), "{answer:?}");
}

#[test]
fn regions_are_named_in_many_ways() {
    let running = Running::preset("mixed");
    running.node.gbs("nlb3.gbs", INTERFACE, NLB3);
    let port = |args: &[&str]| {
        let args = [&["program", "--dry-run", "-o", "json", "nlb3.gbs"], args].concat();
        running.run(&args).ended(0).json()["port"].clone()
    };
    assert_eq!(port(&["dfl-port.1"]), "dfl-port.1");
    assert_eq!(port(&["/dev/dfl-port.2"]), "dfl-port.2");
    assert_eq!(port(&["5e:00.0", "--region", "0"]), "dfl-port.1");
    assert_eq!(port(&["0000:5e:00.0", "--region=1"]), "dfl-port.2");
    assert_eq!(port(&["3b:00.0"]), "dfl-port.0");
    assert_eq!(port(&["af:00.1"]), "dfl-port.6");
    assert_eq!(port(&["dfl-fme-region.8"]), "dfl-port.6");
    assert_eq!(port(&["intel-fpga-port.0"]), "intel-fpga-port.0");
}

#[test]
fn a_name_that_fits_several_is_code_2_and_none_code_3() {
    let running = Running::preset("mixed");
    running.node.gbs("nlb3.gbs", INTERFACE, NLB3);
    let program = |args: &[&str]| running.run(&[&["program", "nlb3.gbs"], args].concat());
    let answer = program(&["5e:00.0"]).ended(2);
    assert_eq!(
        answer.stderr,
        "fpgactl: 5e:00.0: 2 ports fit, name one of them: dfl-port.1, dfl-port.2\n"
    );
    let answer = program(&[]).ended(2);
    assert!(answer.stderr.starts_with("fpgactl: no port was named: 6 ports fit"), "{answer:?}");
    let answer = program(&["dfl-port.77"]).ended(3);
    assert!(answer.stderr.starts_with("fpgactl: dfl-port.77: no such card"), "{answer:?}");
    let answer = program(&["5e:00.0", "--region", "7"]).ended(3);
    assert!(answer.stderr.contains("no port before region 7"), "{answer:?}");
    let node = Node::bare();
    node.gbs("nlb3.gbs", INTERFACE, NLB3);
    for args in [&["program", "nlb3.gbs"][..], &["program", "nlb3.gbs", "dfl-port.0"]] {
        let answer = node.run(args).ended(3);
        assert!(answer.stderr.starts_with("fpgactl: no FPGA driver is loaded"), "{answer:?}");
    }
}

#[test]
fn a_bitstream_for_another_region_is_code_6() {
    let running = running();
    let answer = running.run(&["program", "far.gbs", "dfl-port.0"]).ended(6);
    let expected =
        format!("the image is for interface {OTHER_INTERFACE}, and the region's is {INTERFACE}");
    assert!(answer.stderr.contains(&expected), "{answer:?}");
    assert_eq!(running.function("dfl-port.0"), NLB3);
}

#[test]
fn a_card_that_refuses_names_why_and_is_disabled_since() {
    let running = running();
    running.control(&Command::PrError { card: "near".into(), bits: 2 });
    let answer = running.run(&["program", "nlb0.gbs", "dfl-port.0"]).ended(8);
    let error = answer.stderr.lines().last().unwrap();
    for part in ["reconfig CRC error", "port dfl-port.0", "file nlb0.gbs", NLB0, "fpgactl recover"]
    {
        assert!(error.contains(part), "{part:?} is not in {error}");
    }
    assert_eq!(answer.stdout, "");
    // And it is known before the next try.
    running.control(&Command::PrError { card: "near".into(), bits: 0 });
    running.run(&["program", "nlb0.gbs", "dfl-port.0"]).ended(8);
    running.run(&["program", "far.gbs"]).ended(0);
}

#[test]
fn a_card_of_the_other_driver_refuses_with_code_7() {
    let running = Running::preset("mixed");
    running.node.gbs("nlb3.gbs", INTERFACE, NLB3);
    running.control(&Command::PrError { card: "0000:d8:00.0".into(), bits: 4 });
    let answer = running.run(&["program", "nlb3.gbs", "intel-fpga-port.0"]).ended(7);
    assert!(answer.stderr.contains("reconfig incompatible image"), "{answer:?}");
}

/// Two programmings of one card: the second waits, no longer than it was told.
#[test]
fn a_locked_card_is_code_5_and_names_the_holder() {
    let running = running();
    running.control(&Command::PrTime { card: "near".into(), ms: 5000 });
    let mut first = running
        .command(&["program", "nlb0.gbs", "dfl-port.0"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stderr = std::io::BufReader::new(first.stderr.take().unwrap());
    std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
    assert_eq!(line, "fpgactl: programming 64.00 KiB\n");
    let args = ["program", "nlb0.gbs", "dfl-port.0", "--timeout", "10ms"];
    let answer = running.run(&args).ended(5);
    let last = answer.stderr.lines().last().unwrap();
    assert!(last.contains("locked by process ") && last.contains("(fpgactl)"), "{answer:?}");
    assert!(answer.stderr.starts_with("fpgactl: waiting for process "), "{answer:?}");
    assert!(first.wait().unwrap().success());
    assert_eq!(running.function("dfl-port.0"), NLB0);
}

#[test]
fn a_wrong_command_line_is_code_2() {
    let node = Node::preset("pac-a10");
    for args in [
        &["program"][..],
        &["program", "a.gbs", "dfl-port.0", "more"],
        &["program", "a.gbs", "--timeout", "soon"],
        &["program", "a.gbs", "--region", "-1"],
        &["program", "a.gbs", "-o", "xml"],
    ] {
        let answer = node.run(args).ended(2);
        assert_eq!(answer.stdout, "", "{args:?}");
    }
}
