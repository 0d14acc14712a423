//! Output that cannot be written, or that nobody reads, is no reason for a panic.
#![allow(clippy::unwrap_used)] // A panic in a test is the failure report.

use std::fs::{File, OpenOptions};
use std::process::{Command, Output, Stdio};

use fpga_emulator::testing::Emulator;

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

fn without_reader() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn run(args: &[&str], stdout: Stdio, stderr: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fpga-emulator"));
    command.args(args).stdout(stdout).stderr(stderr).output().unwrap()
}

#[test]
fn what_cannot_be_written_is_a_failure_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let machine = fpga_emulator::machine::Machine::preset_text("pac-a10").unwrap();
    let emulator = Emulator::start_in(directory.path(), machine);
    let socket = emulator.socket();
    let status = ["ctl", "--socket", socket.to_str().unwrap(), "status"];
    for args in [&["presets"][..], &["presets", "mixed"], &status] {
        let output = run(args, full().into(), Stdio::piped());
        let stderr = String::from_utf8(output.stderr).unwrap();
        let expected = "fpga-emulator: writing to stdout: No space left on device (os error 28)\n";
        assert_eq!((output.status.code(), stderr.as_str()), (Some(125), expected), "{args:?}");
        // A reader that has seen enough.
        let output = run(args, without_reader(), Stdio::piped());
        assert_eq!(
            (output.status.code(), output.stderr.as_slice()),
            (Some(0), &b""[..]),
            "{args:?}"
        );
    }
}

#[test]
fn an_error_that_nobody_can_hear_has_its_exit_code() {
    for stderr in [full().into(), without_reader()] {
        let output = run(&["presets", "moon"], Stdio::null(), stderr);
        assert_eq!(output.status.code(), Some(125));
    }
}
