//! The hook is in two programs.

use std::process::{Command, Stdio};

use crate::binaries;

/// The hook alone and the one in fpgactl are the same but for their names, with or without the subcommand's name.
#[test]
fn both_programs_are_the_same_hook() {
    let run = |program: &str, words: &[&str]| {
        let mut command = Command::new(binaries().path(program));
        command.args(words).stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stderr), text(output.stdout))
    };
    // By the other name, what is said is shorter: lines are compared without their breaks.
    let in_fpgactl = |text: &str| {
        let words: Vec<_> = text.split_whitespace().collect();
        words.join(" ").replace("fpga-hook", "fpgactl oci-hook")
    };
    let named = [&[][..], &["--help"], &["--version"]];
    for words in named.into_iter().chain([&["--stage", "moon"][..]]) {
        let expected = run("fpgactl", &[&["oci-hook"], words].concat());
        let (code, stderr, stdout) = run("fpga-hook", words);
        let is_named = (stderr.clone() + &stdout).contains("fpga-hook");
        assert_eq!(is_named, named.contains(&words), "{stderr}{stdout}");
        assert_eq!(code, expected.0, "{words:?}");
        assert_eq!(in_fpgactl(&stderr), in_fpgactl(&expected.1), "{words:?}");
        assert_eq!(in_fpgactl(&stdout), in_fpgactl(&expected.2), "{words:?}");
        let again = run("fpga-hook", &[&["oci-hook"], words].concat());
        assert_eq!(again, (code, stderr, stdout), "{words:?}");
    }
}
