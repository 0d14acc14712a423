//! Emulated machines, and fpgactl on them.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fpga_emulator::ctl::{self, Client};
use fpga_emulator::gbs::Bitstream;
use fpga_emulator::machine::Machine;
use fpga_emulator::tree;
use serde_json::Value;

/// How long to wait for another program before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

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
        let node = Self::bare();
        tree::create(&Machine::preset(name).unwrap(), &node.root()).unwrap();
        node
    }

    /// A machine without a driver, or anything else.
    pub(crate) fn bare() -> Self {
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
        let bitstream = Bitstream {
            interface: interface.parse().unwrap(),
            function: afu.parse().unwrap(),
            name: format!("my {}", file.trim_end_matches(".gbs")),
            size: 64 * 1024,
            clocks: None,
        };
        std::fs::write(self.path(file), bitstream.to_bytes().unwrap()).unwrap();
    }
}

/// A machine whose cards work.
pub(crate) struct Running {
    process: Child,
    pub(crate) node: Node,
}

impl Running {
    pub(crate) fn start(machine: &str) -> Self {
        let node = Node::bare();
        let description = node.path("machine.toml");
        std::fs::write(&description, machine).unwrap();
        let process = Command::new(emulator())
            .arg("serve")
            .arg(node.root())
            .arg("--socket")
            .arg(node.path("sock"))
            .arg("--machine")
            .arg(&description)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut running = Self { process, node };
        running.wait_until_it_answers();
        running
    }

    pub(crate) fn preset(name: &str) -> Self {
        Self::start(Machine::preset_text(name).unwrap())
    }

    /// Runs fpgactl with working ioctls.
    pub(crate) fn run(&self, args: &[&str]) -> Answer {
        self.command(args).output().unwrap().into()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(emulator());
        command.args(["exec", "--attribute-errors", "--socket", "sock", "--"]);
        command.arg(env!("CARGO_BIN_EXE_fpgactl")).arg("--root").arg(self.node.root()).args(args);
        command.current_dir(self.node.path("")).env_remove("FPGA_ROOT");
        command
    }

    pub(crate) fn control(&self, command: &ctl::Command) {
        Client::connect(self.node.path("sock")).unwrap().run(command).unwrap();
    }

    /// What a port shows, seen from outside.
    pub(crate) fn function(&self, port: &str) -> String {
        let text = std::fs::read_to_string(self.node.attribute(port, "afu_id")).unwrap();
        text.trim().to_owned()
    }

    fn wait_until_it_answers(&mut self) {
        let socket = self.node.path("sock");
        let start = Instant::now();
        while Client::connect(&socket).and_then(|mut client| client.status()).is_err() {
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("fpga-emulator serve ended with {status}");
            }
            assert!(start.elapsed() < PATIENCE, "fpga-emulator serve does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
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

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The emulator's binary, which belongs to another package: built once for all tests.
fn emulator() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"))
            .args(["build", "-p", "fpga-emulator", "--message-format=json-render-diagnostics"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut messages = String::new();
        cargo.stdout.take().unwrap().read_to_string(&mut messages).unwrap();
        assert!(cargo.wait().unwrap().success(), "cannot build fpga-emulator");
        let artifacts = messages.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let executable = artifacts
            .filter(|m| m["target"]["name"] == "fpga-emulator")
            .find_map(|m| Some(PathBuf::from(m["executable"].as_str()?)));
        executable.expect("cargo names the binary that it built")
    })
}
