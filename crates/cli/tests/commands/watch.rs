//! `watch`, on a machine that changes.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use fpga_emulator::ctl::Command;
use serde_json::{Value, json};

use crate::machine::{NLB0, NLB3, Node, Running};

struct Watch {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    /// Starts watching, and waits until what is there was told, so that what comes later is a change.
    fn start(running: &Running, args: &[&str]) -> Self {
        let mut command = running.node.fpgactl();
        command.args(["watch", "--initial"]).args(args).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("watch goes on").unwrap()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn each_change_is_a_line() {
    let running = Running::preset("pac-a10");
    let mut watch = Watch::start(&running, &[]);
    assert_eq!(watch.line(), "driver dfl: loaded");
    assert_eq!(watch.line(), "0000:3b:00.0: added, Intel PAC Arria 10 GX");
    assert_eq!(watch.line(), format!("0000:3b:00.0 dfl-port.0: added, {NLB3} (nlb_mode_3)"));
    let card = || "0000:3b:00.0".to_owned();
    running.control(&Command::Function { card: card(), port: 0, afu: "nlb0".into() });
    assert_eq!(
        watch.line(),
        format!("0000:3b:00.0 dfl-port.0: function {NLB3} (nlb_mode_3) -> {NLB0} (nlb_mode_0)")
    );
    running.control(&Command::PortError { card: card(), port: 0, bits: 1 });
    let mut lines = [watch.line(), watch.line()];
    lines.sort();
    assert_eq!(
        lines,
        ["errors", "first_error"]
            .map(|name| format!("0000:3b:00.0 dfl-port.0: {name} = 0x1: read requests overflowed"))
    );
    running.control(&Command::Remove { card: card() });
    while watch.line() != "0000:3b:00.0: removed" {}
}

#[test]
fn json_is_an_object_a_line() {
    let running = Running::preset("pac-a10");
    let mut watch = Watch::start(&running, &["-o", "json"]);
    let mut next = || serde_json::from_str::<Value>(&watch.line()).unwrap();
    assert_eq!(next(), json!({"event": "driverLoaded", "driver": "dfl"}));
    assert_eq!(
        next(),
        json!({"event": "cardAdded", "card": "0000:3b:00.0", "model": "Intel PAC Arria 10 GX"})
    );
    assert_eq!(
        next(),
        json!({
            "event": "portAdded", "card": "0000:3b:00.0", "port": "dfl-port.0",
            "state": "loaded", "afuId": NLB3,
        })
    );
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    let node = Node::preset("pac-a10");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output =
        node.fpgactl().args(["watch", "--initial"]).stdout(writer).stderr(Stdio::piped()).output();
    let output = output.unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
