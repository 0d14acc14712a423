//! The hook is in two programs.

use std::process::{Command, Stdio};

use crate::binaries;

/// The hook alone and the one in fpgactl are the same, with or without the subcommand's name.
#[test]
fn both_programs_are_the_same_hook() {
    let run = |program: &str, words: &[&str]| {
        let mut command = Command::new(binaries().path(program));
        command.args(words).stdin(Stdio::null());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap(), output.stdout)
    };
    for words in [&[][..], &["--stage", "moon"], &["--help"], &["--version"]] {
        let expected = run("fpgactl", &[&["oci-hook"], words].concat());
        assert_eq!(run("fpga-hook", words), expected, "{words:?}");
        assert_eq!(run("fpga-hook", &[&["oci-hook"], words].concat()), expected, "{words:?}");
    }
}
