//! `reset` and `port`.

use std::process::{Child, Stdio};

use fpga_emulator::ctl::Command;

use crate::machine::{NLB3, Node, Running, eventually};

#[test]
fn a_port_is_reset_and_keeps_its_function() {
    let running = Running::preset("r740");
    running.control(&Command::PortError { card: "0000:3b:00.0".into(), port: 0, bits: 1 });
    let answer = running.run(&["reset", "dfl-port.0"]).ended(0);
    assert_eq!(answer.stdout, "dfl-port.0 of card 0000:3b:00.0: reset\n");
    assert!(
        answer.stderr.ends_with(
            "warning: errors of an earlier user were cleared: read requests overflowed\n"
        ),
        "{answer:?}"
    );
    assert_eq!(running.function("dfl-port.0"), NLB3);
    eventually("the errors are cleared", || running.run(&["errors"]).code == Some(0));
    let answer = running.run(&["reset", "-q", "86:00.0"]).ended(0);
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("", ""));
    running.run(&["reset"]).ended(2);
    running.run(&["reset", "dfl-port.9"]).ended(3);
}

/// As `fpga_tool release` and `assign`, whose `-d` names the management engine.
#[test]
fn a_port_is_released_and_assigned() {
    let running = Running::preset("pac-a10");
    let answer = running.run(&["port", "release", "dfl-port.0"]).ended(0);
    assert_eq!(answer.stdout, "card 0000:3b:00.0, port 0: released\n");
    eventually("the port is gone", || !running.node.attribute("dfl-port.0", "afu_id").exists());
    running.run(&["port", "release", "dfl-port.0"]).ended(3);
    let answer = running.run(&["port", "assign", "dfl-fme.0", "0"]).ended(0);
    assert_eq!(answer.stdout, "card 0000:3b:00.0, port 0: assigned\n");
    // As Linux 6.1 leaves it.
    assert!(
        answer.stderr.contains("warning: the port is assigned, but no driver took it"),
        "{answer:?}"
    );
    let answer = running.run(&["port", "assign", "3b:00.0", "0"]).ended(5);
    assert!(answer.stderr.contains("the port is assigned already"), "{answer:?}");
    running.run(&["port", "assign", "3b:00.0"]).ended(2);
}

#[test]
fn a_port_of_a_card_is_told_by_number() {
    let running = Running::preset("mixed");
    let answer = running.run(&["port", "release", "5e:00.0"]).ended(2);
    assert!(answer.stderr.contains("2 ports fit"), "{answer:?}");
    let answer = running.run(&["port", "release", "5e:00.0", "9"]).ended(3);
    assert!(answer.stderr.contains("no port with number 9"), "{answer:?}");
    let answer = running.run(&["port", "release", "5e:00.0", "1"]).ended(0);
    assert_eq!(answer.stdout, "card 0000:5e:00.0, port 1: released\n");
}

/// A program that has the port open, until it is dropped.
struct User(Child);

impl User {
    fn of(running: &Running, port: &str) -> Self {
        let mut command = running.command(&["--help"]);
        // The same command line with another program: a shell that opens the node.
        let program = command.get_program().to_owned();
        let node = running.node.root().join("dev").join(port);
        let script = "exec 3<>\"$1\"; echo open; read line";
        command = std::process::Command::new(program);
        command
            .args(["exec", "--socket"])
            .arg(running.node.path("sock"))
            .args(["--", "sh", "-c", script, "sh"]);
        command.arg(node).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        assert_eq!(line, "open\n");
        Self(child)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_port_in_use_is_code_5_and_forced_on_demand() {
    let running = Running::preset("r740");
    let user = User::of(&running, "dfl-port.0");
    for args in
        [&["reset", "dfl-port.0"][..], &["port", "release", "dfl-port.0"], &["recover", "3b:00.0"]]
    {
        let answer = running.run(args).ended(5);
        let expected = format!("the port is in use by process {} (sh)", user.0.id());
        assert!(answer.stderr.contains(&expected), "{answer:?}");
    }
    let answer = running.run(&["reset", "--force", "dfl-port.0"]).ended(0);
    assert!(answer.stderr.contains("warning: the port is in use by process"), "{answer:?}");
    running.run(&["reset", "dfl-port.1"]).ended(0);
    drop(user);
    running.run(&["reset", "dfl-port.0"]).ended(0);
}

#[test]
fn no_driver_is_code_3() {
    let node = Node::bare();
    for args in
        [&["reset", "dfl-port.0"][..], &["port", "release", "dfl-port.0"], &["recover", "3b:00.0"]]
    {
        let answer = node.run(args).ended(3);
        assert!(answer.stderr.starts_with("fpgactl: no FPGA driver is loaded"), "{answer:?}");
    }
}
