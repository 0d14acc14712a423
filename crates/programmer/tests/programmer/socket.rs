//! The socket and the process: bad lines, strangers, a second instance, the end.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};

use fpga::names::Use;
use fpga::records::RunResult;
use fpga_emulator::testing::eventually;
use fpga_programmer::message::{Answer, Request};
use nix::sys::signal::Signal;
use nix::unistd::Uid;

use crate::node::{NEAR, NLB0, Node, Programmer};

/// The answer to a line.
fn answer(stream: &UnixStream, line: &[u8]) -> Answer {
    (&mut &*stream).write_all(line).unwrap();
    let mut text = String::new();
    BufReader::new(stream).read_line(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_bad_line_gets_a_line_and_harms_nothing_else() {
    let node = Node::start();
    let _programmer = node.programmer();
    let stream = UnixStream::connect(node.socket()).unwrap();
    let deep = format!("{{\"verb\":{}\n", "[".repeat(100_000));
    for line in [
        "\n",
        "{}\n",
        "null\n",
        "[]\n",
        "{\"verb\":\"load\"}\n",
        "{\"verb\":\"status\",\"more\":1}\n",
        "{\"verb\":\"prepare\"}\n",
        "{\"verb\":\"clean\",\"timeoutMs\":1}\n",
        "{\"verb\":\"clean\",\"timeoutMs\":1,\"device\":\"../../etc\"}\n",
        "{\"verb\":\"clean\",\"timeoutMs\":-1,\"device\":\"0000-3b-00-0\"}\n",
        "\u{0}\u{1}\n",
        deep.as_str(),
    ] {
        let Answer::Failed(failed) = answer(&stream, line.as_bytes()) else { panic!("{line}") };
        assert_eq!(failed.code, RunResult::Input);
        assert!(failed.message.starts_with("not a request: "), "{failed:?}");
        assert!(!failed.message.contains('\n'), "{failed:?}");
    }
    assert!(matches!(answer(&stream, b"{\"verb\":\"status\"}\n"), Answer::Status(_)));
}

#[test]
fn a_line_without_end_is_not_read_for_ever() {
    let node = Node::start();
    let _programmer = node.programmer();
    let mut stream = UnixStream::connect(node.socket()).unwrap();
    // It may be cut off while more is written.
    let _ = stream.write_all(&vec![b'x'; 1 << 20]);
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    assert!(text.is_empty() || text.starts_with(b"{\"answer\":\"failed\""));
    node.call(&Request::Status {});
}

#[test]
fn callers_who_say_nothing_keep_no_other_out() {
    let node = Node::start();
    let _programmer = node.programmer();
    let silent: Vec<_> = (0..20).map(|_| UnixStream::connect(node.socket()).unwrap()).collect();
    node.call(&Request::Status {});
    // More than there may be: the rest is refused at once, and not kept waiting.
    let more: Vec<_> = (0..40).map(|_| UnixStream::connect(node.socket()).unwrap()).collect();
    let mut last = more.last().unwrap();
    assert_eq!(last.read(&mut [0; 16]).unwrap(), 0);
    drop((silent, more));
    eventually("it answers again", || {
        node.client().call(&Request::Status {}, std::time::Duration::from_secs(5)).is_ok()
    });
}

#[test]
fn only_root_is_answered() {
    let node = Node::start();
    let _programmer = node.programmer();
    assert_eq!(fs::metadata(node.socket()).unwrap().mode() & 0o777, 0o600);
    if !Uid::effective().is_root() {
        // Only root can be somebody else; what is decided then is a test of the library.
        return;
    }
    // Even if the file lets everybody in.
    fs::set_permissions(node.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    let program = node.0.path("fpga-programmer");
    fs::copy(env!("CARGO_BIN_EXE_fpga-programmer"), &program).unwrap();
    let mut directory = node.0.path("run");
    loop {
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        if !directory.pop() || directory == std::env::temp_dir() {
            break;
        }
    }
    let stranger = Command::new(&program)
        .args(["--status", "--socket"])
        .arg(node.socket())
        .uid(65534)
        .output()
        .unwrap();
    let said = String::from_utf8(stranger.stderr).unwrap();
    assert!(!stranger.status.success() && said.contains("does not answer"), "{said}");
    node.call(&Request::Status {});
}

#[test]
fn status_is_for_people_and_probes_too() {
    let node = Node::start();
    let programmer = node.programmer();
    let ask = || -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fpga-programmer"));
        command.args(["--status", "--socket"]).arg(node.socket()).output().unwrap()
    };
    let answer = ask();
    assert!(answer.status.success(), "{answer:?}");
    assert!(String::from_utf8(answer.stdout).unwrap().contains(NEAR));
    programmer.end(Signal::SIGTERM);
    let answer = ask();
    assert_eq!(answer.status.code(), Some(1));
    assert_eq!(String::from_utf8(answer.stderr).unwrap().lines().count(), 1);
}

/// While a new instance starts, the one before it works on; it may end in any way.
#[test]
fn a_second_instance_takes_over() {
    let node = Node::start();
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let first = node.programmer();
        let mut second = Programmer(node.command(&["--keep-network"]).spawn().unwrap());
        let mut lines = BufReader::new(second.0.stderr.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().ends_with("standing by"));
        node.prepare("one", &[(NEAR, Use::Region)], &[NLB0]).unwrap();
        let (status, _) = first.end(signal);
        assert_eq!(status.success(), signal == Signal::SIGTERM);
        assert!(lines.next().unwrap().unwrap().contains("listening at"));
        let known = node.prepare("one", &[(NEAR, Use::Region)], &[NLB0]).unwrap();
        assert_eq!(known.touched, 0, "what the first did is known");
        second.signal(Signal::SIGTERM);
        assert!(second.0.wait().unwrap().success());
        assert!(!node.socket().exists());
    }
}

#[test]
fn one_that_stands_by_ends_when_it_is_told() {
    let node = Node::start();
    let _first = node.programmer();
    let mut second = Programmer(node.command(&["--keep-network"]).spawn().unwrap());
    let mut lines = BufReader::new(second.0.stderr.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().ends_with("standing by"));
    second.signal(Signal::SIGTERM);
    assert!(second.0.wait().unwrap().success());
    node.call(&Request::Status {});
}

#[test]
fn it_leaves_the_network_or_does_not_start() {
    let node = Node::start();
    let mut programmer = Programmer(node.command(&[]).spawn().unwrap());
    let may = Command::new("unshare").args(["--net", "true"]).stderr(Stdio::null()).status();
    if may.is_ok_and(|status| status.success()) {
        eventually("it answers", || {
            node.client().call(&Request::Status {}, std::time::Duration::from_secs(5)).is_ok()
        });
        let network = |pid: &str| fs::metadata(format!("/proc/{pid}/ns/net")).unwrap().ino();
        assert_ne!(network(&programmer.0.id().to_string()), network("self"));
    } else {
        let (status, said) = programmer.ended();
        assert!(!status.success() && said.contains("see --keep-network"), "{said}");
    }
}
