//! `completions` and `man`: the command lines for shells and for man(1).

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::machine::Node;

/// A shell that has read the script knows how to complete the program's words.
#[test]
fn a_shell_takes_the_completions() {
    for (program, words) in [
        ("fpgactl", &["doctor", "oci-hook", "--runtime-socket"][..]),
        ("fpga-hook", &["--grants", "createRuntime", "poststop"]),
    ] {
        let script = Node::bare().run(&["completions", "bash", program]).ended(0).stdout;
        for word in words {
            assert!(script.contains(word), "{word} is not in {script}");
        }
        let mut bash = Command::new("bash")
            .args(["--norc", "-c", "source /dev/stdin && complete -p \"$0\"", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = bash.wait_with_output().unwrap();
        let known = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && known.trim_end().ends_with(program), "{known}");
    }
}

#[test]
fn there_are_completions_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let answer = Node::bare().run(&["completions", shell]).ended(0);
        assert!(answer.stdout.contains("install-host"), "{shell}: {answer:?}");
    }
    Node::bare().run(&["completions", "tcsh"]).ended(2);
    Node::bare().run(&["completions", "bash", "nlb"]).ended(2);
}

#[test]
fn there_is_a_page_for_each_command() {
    let node = Node::bare();
    let directory = node.path("share/man1");
    let answer = node.run(&["man", directory.to_str().unwrap()]).ended(0);
    assert_eq!(answer.stdout.lines().count(), fs::read_dir(&directory).unwrap().count());
    for (page, parts) in [
        ("fpgactl", &["fpgactl\\-doctor(1)", "Exit codes:"][..]),
        ("fpgactl-doctor", &["\\-\\-runtime\\-socket"]),
        ("fpgactl-port-release", &["release"]),
        ("fpgactl-oci-hook", &["\\-\\-grants", "fpgactl oci\\-hook < state.json"]),
        ("fpga-hook", &["\\-\\-grants", "fpga\\-hook < state.json", "Program a container"]),
    ] {
        let path = directory.join(format!("{page}.1"));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(&format!(".TH {page} 1")), "{text}");
        for part in parts {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o644);
    }
    // Written again, a page is the same.
    let before = fs::read(directory.join("fpgactl.1")).unwrap();
    node.run(&["man", directory.to_str().unwrap()]).ended(0);
    assert_eq!(fs::read(directory.join("fpgactl.1")).unwrap(), before);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let node = Node::bare();
    fs::write(node.path("file"), "").unwrap();
    let answer = node.run(&["man", "file/man1"]).ended(1);
    assert!(answer.stderr.starts_with("fpgactl: file/man1: "), "{answer:?}");
}
