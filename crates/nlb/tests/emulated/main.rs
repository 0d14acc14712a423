//! The binary against emulated cards: real ioctls, mapped registers, memory that is really moved.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A panic in a test is the failure report.

mod emulator;

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use emulator::{Emulator, Outcome, cards};
use fpga_emulator::ctl::Fault;

const NOT_FOUND_0: &str = "Error: device enumeration failed.
Please make sure that the driver is loaded and that a bitstream for
AFU id: D8424DC4-A4A3-C413-F89E-433683F9040B is programmed.
";

/// The row below the header that begins with `title`, split at its columns.
fn row(table: &str, title: &str) -> Vec<String> {
    let mut lines = table.lines().skip_while(|line| !line.starts_with(title));
    lines.next().unwrap();
    lines.next().unwrap().split_whitespace().map(str::to_owned).collect()
}

/// What the pod of the original demonstration does on a node with two cards.
#[test]
fn mode_3_succeeds_and_mode_0_is_not_there() {
    let emulator = Emulator::with(&["nlb3", "hello"]);
    let mode3 = emulator.nlb(&["--mode", "3"]);
    assert_eq!((mode3.code, mode3.stderr.as_str()), (Some(0), ""), "{mode3:?}");
    assert!(mode3.stdout.starts_with("\nCachelines Read_Count Write_Count "), "{}", mode3.stdout);
    let figures = row(&mode3.stdout, "Cachelines");
    assert_eq!(figures[..8], ["1", "1", "1", "0", "0", "0", "0", "0"]);
    assert!(figures[8].parse::<u64>().unwrap() > 0);
    assert_eq!((figures[10].as_str(), figures[12].as_str()), ("GB/s", "GB/s"));
    assert_eq!(row(&mode3.stdout, "VH0_Rd_Count"), ["0"; 6]);

    let mode0 = emulator.nlb(&["--mode", "0"]);
    let held = format!(
        "{}: holds AFU id F7DF405C-BD7A-CF72-22F1-44B0B93ACD18 (NLB mode 3)\n\
         {}: holds AFU id 850ADCC2-6CEB-4B22-9722-D43375B61C66\n",
        emulator.node("card0").display(),
        emulator.node("card1").display()
    );
    assert_eq!(mode0.code, Some(102));
    assert_eq!((mode0.stdout.as_str(), mode0.stderr), ("", format!("{NOT_FOUND_0}{held}")));
}

/// A run that went well, and whose words nobody wants or nobody can keep.
#[test]
fn a_result_that_is_not_taken_is_no_reason_for_a_panic() {
    let emulator = Emulator::with(&["nlb3"]);
    for format in ["table", "json"] {
        let nlb = |stdout: Stdio| {
            let mut command = emulator.exec();
            command.arg(env!("CARGO_BIN_EXE_nlb")).arg("--dev").arg(emulator.dev());
            command.args(["--mode", "3", "--output", format]).stdout(stdout).stderr(Stdio::piped());
            Outcome::of(&command.output().unwrap())
        };
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let unread = nlb(writer.into());
        assert_eq!((unread.code, unread.stderr.as_str()), (Some(0), ""), "{format}");
        let full = nlb(OpenOptions::new().write(true).open("/dev/full").unwrap().into());
        let expected = "Error: cannot write the result: No space left on device (os error 28)\n";
        assert_eq!((full.code, full.stderr.as_str()), (Some(1), expected), "{format}");
    }
}

/// JSON has text alone.
#[test]
fn a_path_that_is_no_text_is_shown_as_far_as_it_is() {
    let emulator = Emulator::with(&["nlb3"]);
    let dev = emulator.root().with_file_name(OsStr::from_bytes(b"caf\xe9"));
    symlink(emulator.dev(), &dev).unwrap();
    let result = emulator.nlb_in(&dev, &["--mode", "3", "--output", "json"]).json();
    let node = result["node"].as_str().unwrap();
    assert!(node.ends_with("caf\u{fffd}/dfl-port.0"), "{node}");
}

/// The same in one command, for an image without a shell.
#[test]
fn the_other_function_is_required_to_be_absent() {
    let emulator = Emulator::with(&["nlb3", "hello"]);
    let alone = emulator.nlb(&["--mode", "3", "--absent", "0"]);
    assert_eq!((alone.code, alone.stderr.as_str()), (Some(0), ""), "{alone:?}");
    assert!(alone.stdout.ends_with("\nSUCCESS\n"), "{}", alone.stdout);

    let emulator = Emulator::with(&["nlb3", "nlb0"]);
    let both = emulator.nlb(&["--mode", "3", "--absent", "0"]);
    let message = format!(
        "Error: {} holds AFU id D8424DC4-A4A3-C413-F89E-433683F9040B, which must not be here\n",
        emulator.node("card1").display()
    );
    assert_eq!((both.code, both.stderr), (Some(103), message));
    assert!(!both.stdout.contains("SUCCESS"), "{}", both.stdout);
}

#[test]
fn mode_0_says_where_it_found_the_function() {
    let outcome = Emulator::with(&["nlb0"]).nlb(&["--mode", "0", "--lines", "64"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(
        outcome.stdout.starts_with("found the NLB offset=0x0\n\nCachelines"),
        "{}",
        outcome.stdout
    );
    assert_eq!(row(&outcome.stdout, "Cachelines")[..3], ["64", "64", "64"]);
}

/// The original finds the first card that sysfs shows, which need not be the one it was given.
#[test]
fn the_function_is_found_wherever_it_is() {
    let orders = [
        ["hello", "nlb0", "nlb3"],
        ["hello", "nlb3", "nlb0"],
        ["nlb0", "hello", "nlb3"],
        ["nlb0", "nlb3", "hello"],
        ["nlb3", "hello", "nlb0"],
        ["nlb3", "nlb0", "hello"],
    ];
    for order in orders {
        let emulator = Emulator::with(&order);
        for (mode, function) in [("0", "nlb0"), ("3", "nlb3")] {
            let card = order.iter().position(|f| *f == function).unwrap();
            let report = emulator.nlb(&["--mode", mode, "-o", "json"]).json();
            let node = emulator.node(&format!("card{card}"));
            assert_eq!(report["node"], node.to_str().unwrap(), "{order:?}");
        }
    }
}

/// A container is given one node of a node with several cards; sysfs would show all of them.
#[test]
fn only_the_nodes_that_were_given_count() {
    let emulator = Emulator::with(&["nlb0", "nlb3"]);
    let given = tempfile::tempdir().unwrap();
    let node = emulator.node("card1");
    std::os::unix::fs::symlink(&node, given.path().join(node.file_name().unwrap())).unwrap();
    assert_eq!(emulator.nlb_in(given.path(), &["--mode", "3"]).code, Some(0));
    let mode0 = emulator.nlb_in(given.path(), &["--mode", "0"]);
    assert_eq!(mode0.code, Some(102));
    assert_eq!(mode0.stderr.lines().count(), 4, "{}", mode0.stderr);
}

#[test]
fn a_node_that_is_no_card_does_not_end_the_search() {
    let emulator = Emulator::with(&["nlb3"]);
    let given = tempfile::tempdir().unwrap();
    std::fs::write(given.path().join("dfl-port.0"), "").unwrap();
    std::os::unix::fs::symlink("absent", given.path().join("dfl-port.1")).unwrap();
    std::os::unix::fs::symlink(emulator.node("card0"), given.path().join("dfl-port.2")).unwrap();
    let report = emulator.nlb_in(given.path(), &["--mode", "3", "-o", "json"]).json();
    assert_eq!(report["node"], given.path().join("dfl-port.2").to_str().unwrap());
}

#[test]
fn the_out_of_tree_driver() {
    let emulator = Emulator::start(&cards(&["nlb3", "nlb0"], "opae"));
    for mode in ["0", "3"] {
        let report = emulator.nlb(&["--mode", mode, "--lines", "64", "-o", "json"]).json();
        assert!(report["node"].as_str().unwrap().contains("intel-fpga-port."), "{report}");
        assert_eq!((&report["reads"], &report["writes"]), (&64.into(), &64.into()));
    }
}

#[test]
fn a_continuous_run_counts_all_its_rounds() {
    let report = Emulator::with(&["nlb3"])
        .nlb(&["-m", "3", "-l", "8", "--continuous", "0.05", "-o", "json"])
        .json();
    let reads = report["reads"].as_u64().unwrap();
    assert!(reads > 8, "{report}");
    assert_eq!(report["lines"], 8);
}

/// With free huge pages all lines run; without, as many as fit a page, and a note says so.
#[test]
fn more_lines_than_fit_a_page() {
    let outcome = Emulator::with(&["nlb0"]).nlb(&["--mode", "0", "--lines", "1000", "-o", "json"]);
    let report = outcome.json();
    if outcome.stderr.is_empty() {
        assert_eq!(report["reads"], 1000);
    } else {
        assert!(
            outcome.stderr.starts_with("note: the run is cut from 1000 to 64 lines"),
            "{}",
            outcome.stderr
        );
        assert_eq!(report["reads"], 64);
    }
}

#[test]
fn wrong_data_is_found_in_both_modes() {
    let emulator = Emulator::with(&["nlb0", "nlb3"]);
    for (mode, card) in [("0", "card0"), ("3", "card1")] {
        emulator.control().function_fault(card, 0, Fault::Corrupt).unwrap();
        let outcome = emulator.nlb(&["--mode", mode, "--lines", "16"]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
        let start = format!(
            "Error: {}: wrong data in destination line 0, bytes 0 to 7: expected 0x",
            emulator.node(card).display()
        );
        assert!(outcome.stderr.starts_with(&start), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(", found 0x"), "{}", outcome.stderr);
        assert!(outcome.stderr.ends_with("(1 of 16 lines differ)\n"), "{}", outcome.stderr);

        emulator.control().function_fault(card, 0, Fault::None).unwrap();
        assert_eq!(emulator.nlb(&["--mode", mode, "--lines", "16"]).code, Some(0));
    }
}

#[test]
fn a_function_that_hangs_is_given_up() {
    let emulator = Emulator::with(&["nlb3"]);
    emulator.control().function_fault("card0", 0, Fault::Hang).unwrap();
    let outcome = emulator.nlb(&["--mode", "3", "--timeout", "0.2"]);
    assert_eq!(outcome.code, Some(1));
    let expected = format!(
        "Error: {}: no answer from the function: waited 0.2 s for the completion flag in its status line\n",
        emulator.node("card0").display()
    );
    assert_eq!(outcome.stderr, expected);
    assert!(!emulator.control().status().unwrap().cards[0].ports[0].mapped, "memory is given back");
}

#[test]
fn a_card_that_is_gone_is_not_found() {
    let emulator = Emulator::with(&["nlb0", "hello"]);
    assert_eq!(emulator.nlb(&["--mode", "0"]).code, Some(0));
    emulator.control().remove("card0").unwrap();
    let outcome = emulator.nlb(&["--mode", "0"]);
    assert_eq!(outcome.code, Some(102));
    assert!(outcome.stderr.starts_with(NOT_FOUND_0), "{}", outcome.stderr);
}

/// The driver counts pinned pages against the limit, unless the process has `CAP_IPC_LOCK`: root has it, so
/// it is taken away first.
#[test]
fn the_limit_on_locked_memory_is_named() {
    let emulator = Emulator::with(&["nlb3"]);
    let mut command = emulator.exec();
    command
        .args(["sh", "-c", LIMITED])
        .arg(env!("CARGO_BIN_EXE_nlb"))
        .args(["--mode", "3", "--dev"])
        .arg(emulator.dev());
    let outcome = Outcome::of(&command.output().unwrap());
    assert_eq!(outcome.code, Some(5), "{outcome:?}");
    let reason = "cannot map 4096 bytes for DMA: the limit on locked memory (8 KiB) is reached: \
                  raise RLIMIT_MEMLOCK or grant CAP_IPC_LOCK (ENOMEM)\n";
    assert!(outcome.stderr.ends_with(reason), "{}", outcome.stderr);
}

/// Two pages may be locked, and the run needs three.
const LIMITED: &str = r#"
ulimit -l 8
if [ "$(id -u)" = 0 ]; then
    exec setpriv --inh-caps=-ipc_lock --bounding-set=-ipc_lock "$0" "$@"
fi
exec "$0" "$@"
"#;

/// A program that others stop with a signal leaves nothing behind for the next.
#[test]
fn the_next_run_works_after_one_was_killed() {
    let emulator = Emulator::with(&["nlb3"]);
    let mut command = emulator.exec();
    command
        .arg(env!("CARGO_BIN_EXE_nlb"))
        .args(["--mode", "3", "--continuous", "60", "--dev"])
        .arg(emulator.dev());
    let mut run = command.spawn().unwrap();
    let mapped = || emulator.control().status().unwrap().cards[0].ports[0].mapped;
    wait_until(mapped);
    terminate(run.id());
    run.wait().unwrap();
    wait_until(|| !mapped());
    assert_eq!(emulator.nlb(&["--mode", "3", "--lines", "64"]).code, Some(0));
}

fn terminate(process: u32) {
    assert!(Command::new("kill").arg(process.to_string()).status().unwrap().success());
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < std::time::Duration::from_secs(30), "it never happened");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
