//! Emulated machines, and fpgactl on them.

use std::path::PathBuf;
use std::process::{Command, Output};

use fpga_emulator::ctl;
use fpga_emulator::gbs::Bitstream;
use fpga_emulator::machine::Machine;
use fpga_emulator::testing::Emulator;
use fpga_emulator::tree;
use serde_json::Value;

pub(crate) use fpga_emulator::testing::eventually;

/// The interface id of the emulator's Arria 10 cards.
pub(crate) const INTERFACE: &str = "69528db6eb31577a8c3668f9faa081f6";
/// Another one, of the same card's first software release.
pub(crate) const OTHER_INTERFACE: &str = "ce48969398f05f33946d560708be108a";
pub(crate) const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
pub(crate) const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";

/// A machine at rest: a tree of files. Nothing answers ioctls.
pub(crate) struct Node(tempfile::TempDir);

impl Node {
    pub(crate) fn preset(name: &str) -> Self {
        let node = Self::empty();
        tree::create(&Machine::preset(name).unwrap(), &node.root()).unwrap();
        node
    }

    /// A machine without a driver, or anything else but a kernel.
    pub(crate) fn bare() -> Self {
        let node = Self::empty();
        std::fs::create_dir_all(node.root().join("sys")).unwrap();
        node
    }

    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }

    /// A path outside the machine.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// An attribute of a platform device.
    pub(crate) fn attribute(&self, device: &str, name: &str) -> PathBuf {
        self.root().join("sys/bus/platform/devices").join(device).join(name)
    }

    /// fpgactl for this machine, to be run in a directory for files.
    pub(crate) fn fpgactl(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fpgactl"));
        command.current_dir(self.0.path()).env_remove("FPGA_ROOT").arg("--root").arg(self.root());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Answer {
        self.fpgactl().args(args).output().unwrap().into()
    }

    /// Writes a bitstream file to the directory that commands run in.
    pub(crate) fn gbs(&self, file: &str, interface: &str, afu: &str) {
        self.write_gbs(file, Self::bitstream(file, interface, afu));
    }

    /// What [`Node::gbs`] writes.
    pub(crate) fn bitstream(file: &str, interface: &str, afu: &str) -> Bitstream {
        Bitstream {
            interface: interface.parse().unwrap(),
            function: afu.parse().unwrap(),
            name: format!("my {}", file.trim_end_matches(".gbs")),
            size: 64 * 1024,
            clocks: None,
        }
    }

    pub(crate) fn write_gbs(&self, file: &str, bitstream: Bitstream) {
        std::fs::write(self.path(file), bitstream.to_bytes().unwrap()).unwrap();
    }
}

/// A machine whose cards work.
pub(crate) struct Running {
    emulator: Emulator,
    pub(crate) node: Node,
}

impl Running {
    pub(crate) fn start(machine: &str) -> Self {
        let node = Node::empty();
        let emulator = Emulator::start_in(&node.path(""), machine);
        Self { emulator, node }
    }

    pub(crate) fn preset(name: &str) -> Self {
        Self::start(Machine::preset_text(name).unwrap())
    }

    /// Runs fpgactl with working ioctls.
    pub(crate) fn run(&self, args: &[&str]) -> Answer {
        self.command(args).output().unwrap().into()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.emulator.exec(&["--attribute-errors"]);
        command.arg(env!("CARGO_BIN_EXE_fpgactl")).arg("--root").arg(self.node.root()).args(args);
        command.current_dir(self.node.path("")).env_remove("FPGA_ROOT");
        command
    }

    pub(crate) fn control(&self, command: &ctl::Command) {
        self.emulator.control().run(command).unwrap();
    }

    /// What a port shows, seen from outside.
    pub(crate) fn function(&self, port: &str) -> String {
        self.emulator.attribute(port, "afu_id")
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same, if it ended with `code`.
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
