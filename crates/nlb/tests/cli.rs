//! The binary where there is no card: arguments, exit codes and words.
#![allow(clippy::unwrap_used)] // A panic in a test is the failure report.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

const NLB: &str = env!("CARGO_BIN_EXE_nlb");

/// What Intel's sample says when no port holds mode 0.
const NOT_FOUND: &str = "Error: device enumeration failed.
Please make sure that the driver is loaded and that a bitstream for
AFU id: D8424DC4-A4A3-C413-F89E-433683F9040B is programmed.
";

fn nlb(arguments: &[&str], dev: &Path) -> (Option<i32>, String, String) {
    outcome(&Command::new(NLB).args(arguments).arg("--dev").arg(dev).output().unwrap())
}

fn outcome(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn no_node_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = nlb(&["--mode", "0"], dir.path());
    let detail =
        format!("{}: no dfl-port.* and no intel-fpga-port.* device node\n", dir.path().display());
    assert_eq!((code, stdout.as_str(), stderr), (Some(102), "", format!("{NOT_FOUND}{detail}")));
}

/// The exit code is what scripts go by.
#[test]
fn words_that_cannot_be_written_change_no_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(NLB);
    command.args(["--mode", "0", "--dev"]).arg(dir.path()).stderr(full);
    assert_eq!(command.status().unwrap().code(), Some(102));
}

#[test]
fn no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, stderr) = nlb(&["--mode", "0"], &dir.path().join("absent"));
    assert_eq!(code, Some(102));
    assert!(stderr.starts_with(NOT_FOUND), "{stderr}");
    assert!(stderr.ends_with("absent: No such file or directory (os error 2)\n"), "{stderr}");
}

#[test]
fn every_node_that_is_no_card_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for node in ["dfl-port.10", "dfl-port.9", "intel-fpga-port.0", "dfl-fme.0"] {
        std::fs::write(dir.path().join(node), "").unwrap();
    }
    let (code, _, stderr) = nlb(&["--mode", "0"], dir.path());
    let details: String = ["dfl-port.9", "dfl-port.10", "intel-fpga-port.0"]
        .iter()
        .map(|node| {
            let node = dir.path().join(node);
            format!(
                "{}: cannot get a region's properties: the node is not an FPGA device (ENOTTY)\n",
                node.display()
            )
        })
        .collect();
    assert_eq!((code, stderr), (Some(102), format!("{NOT_FOUND}{details}")));
}

#[test]
fn a_node_without_permission_is_not_called_an_absent_function() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let node = dir.path().join("dfl-port.0");
    std::fs::write(&node, "").unwrap();
    std::fs::set_permissions(&node, PermissionsExt::from_mode(0o000)).unwrap();
    // Root may open everything, so it runs the program as nobody, from where nobody can reach it. A
    // process of its own copies it: a file that this one had open for writing could not be started
    // (ETXTBSY) while a child of another test still holds it.
    let program = dir.path().join("nlb");
    assert!(Command::new("cp").arg(NLB).arg(&program).status().unwrap().success());
    let mut command = Command::new(&program);
    command.args(["--mode", "0", "--dev"]).arg(dir.path());
    if is_root() {
        command.uid(65534).gid(65534);
    }
    let (code, _, stderr) = outcome(&command.output().unwrap());
    let expected = format!(
        "Error: no free port holds AFU id D8424DC4-A4A3-C413-F89E-433683F9040B, and not every port could be looked into:\n\
         {}: cannot open: permission denied (EACCES)\n",
        node.display()
    );
    assert_eq!((code, stderr), (Some(4), expected));
}

#[test]
fn wrong_arguments() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [&["--mode", "2"][..], &["--mode", "3", "--lines", "0"], &[]] {
        assert_eq!(nlb(arguments, dir.path()).0, Some(2), "{arguments:?}");
    }
}

#[test]
fn the_help_lists_every_exit_code() {
    let (code, stdout, _) = outcome(&Command::new(NLB).arg("--help").output().unwrap());
    assert_eq!(code, Some(0));
    for exit in ["  0  ", "  1  ", "  2  ", "  3  ", "  4  ", "  5  ", "  102  "] {
        assert!(stdout.contains(&format!("\n{exit}")), "{exit}");
    }
    assert!(stdout.contains("nlb --mode 0 --lines 16384"), "{stdout}");
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}
