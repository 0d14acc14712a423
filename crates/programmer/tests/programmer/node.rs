//! A node with emulated cards, a store, grants and programs that are programmers.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use fpga::grants::{Grant, Grants};
use fpga::ledger::{Kind, Owner};
use fpga::names::Use;
use fpga_emulator::gbs::Bitstream;
use fpga_emulator::testing::{Emulator, THREE_PORTS, eventually};
use fpga_programmer::Client;
use fpga_programmer::message::{
    Answer, Clean, Device, Done, Failed, Leftover, Prepare, Promised, Request,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(crate) const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
pub(crate) const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
pub(crate) const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
pub(crate) const HELLO: &str = "850adcc26ceb4b229722d43375b61c66";

pub(crate) const NEAR: &str = "0000-3b-00-0-slot0";
pub(crate) const FAR: &str = "0000-86-00-0";

/// Only against hanging forever.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Node(pub(crate) Emulator);

/// A running programmer, which is killed when it is dropped.
pub(crate) struct Programmer(pub(crate) Child);

impl Node {
    /// NLB in modes 0 and 3 are in the store and granted to the namespace `vision`.
    pub(crate) fn start() -> Self {
        let node = Self(Emulator::start(THREE_PORTS));
        let mut grants = Grants::default();
        for function in [NLB0, NLB3] {
            node.install(function);
            let grant =
                Grant { interface_id: A10.parse().unwrap(), image: function.parse().unwrap() };
            grants.insert("vision", grant).unwrap();
        }
        grants.save(node.0.path("grants.json")).unwrap();
        node
    }

    pub(crate) fn install(&self, function: &str) {
        let bitstream = Bitstream {
            interface: A10.parse().unwrap(),
            function: function.parse().unwrap(),
            name: "test".to_owned(),
            size: 64 * 1024,
            clocks: None,
        };
        let directory = self.0.path("store").join(A10);
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join(format!("{function}.gbs"));
        fs::write(path, bitstream.to_bytes().unwrap()).unwrap();
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.path("run/programmer.sock")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.0.exec(&["--attribute-errors"]);
        command.arg(env!("CARGO_BIN_EXE_fpga-programmer")).args(arguments);
        for (flag, file) in [("--root", "root"), ("--store", "store"), ("--grants", "grants.json")]
        {
            command.arg(flag).arg(self.0.path(file));
        }
        command.arg("--socket").arg(self.socket()).stderr(Stdio::piped());
        command.env_remove("FPGA_ROOT").env_remove("FPGA_LEDGER");
        command
    }

    /// A programmer that listens.
    pub(crate) fn programmer(&self) -> Programmer {
        let programmer = Programmer(self.command(&["--keep-network"]).spawn().unwrap());
        eventually("it answers", || self.client().call(&Request::Status {}, LIMIT).is_ok());
        programmer
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.socket())
    }

    pub(crate) fn call(&self, request: &Request) -> Answer {
        self.client().call(request, LIMIT).unwrap()
    }

    /// Prepares devices for a claim of the namespace `vision`.
    pub(crate) fn prepare(
        &self,
        owner: &str,
        devices: &[(&str, Use)],
        images: &[&str],
    ) -> Result<Done, Failed> {
        result(self.call(&prepare("vision", owner, devices, images)))
    }

    pub(crate) fn clean(&self, what: Leftover) -> Result<Done, Failed> {
        result(self.call(&Request::Clean(Clean { what, timeout_ms: 5000 })))
    }

    /// What the region behind a port shows.
    pub(crate) fn function(&self, port: &str) -> String {
        self.0.attribute(port, "afu_id")
    }

    pub(crate) fn has_errors(&self, port: &str) -> bool {
        self.0.attribute(port, "errors/errors") != "0x0"
    }
}

pub(crate) fn prepare(
    namespace: &str,
    owner: &str,
    devices: &[(&str, Use)],
    images: &[&str],
) -> Request {
    let device = |&(device, usage): &(&str, Use)| Device { device: device.parse().unwrap(), usage };
    let promised = |image: &&str| Promised {
        interface_id: A10.parse().unwrap(),
        image: image.parse().unwrap(),
    };
    Request::Prepare(Prepare {
        owner: claim(owner),
        namespace: namespace.to_owned(),
        devices: devices.iter().map(device).collect(),
        promises: images.iter().map(promised).collect(),
        timeout_ms: 5000,
    })
}

pub(crate) fn claim(id: &str) -> Owner {
    Owner { kind: Kind::Claim, ..Owner::container(id, None) }
}

fn result(answer: Answer) -> Result<Done, Failed> {
    match answer {
        Answer::Done(done) => Ok(done),
        Answer::Failed(failed) => Err(failed),
        Answer::Status(status) => panic!("{status:?}"),
    }
}

impl Programmer {
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), signal).unwrap();
    }

    /// Ends it by a signal; how it ended, and what it said.
    pub(crate) fn end(mut self, signal: Signal) -> (ExitStatus, String) {
        self.signal(signal);
        self.ended()
    }

    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.0.wait().unwrap(), said)
    }
}

impl Drop for Programmer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
