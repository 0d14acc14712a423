//! A running emulator for one test, and helpers under it.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fpga::id::AfuId;
use fpga::root::Root;
use fpga_emulator::ctl::{self, Client};

use crate::helper::{Helper, Request};

/// How long to wait for another program before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
pub(crate) const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";

/// Two cards with a port each, called `near` and `far`, on the in-tree driver.
pub(crate) const TWO_CARDS: &str = r#"
[[card]]
name = "near"
kind = "pac-a10"
pci = "0000:3b:00.0"
[[card.port]]
afu = "nlb3"

[[card]]
name = "far"
kind = "pac-a10"
pci = "0000:86:00.0"
[[card.port]]
afu = "hello"
"#;

pub(crate) struct Emulator {
    process: Child,
    directory: tempfile::TempDir,
}

impl Emulator {
    pub(crate) fn start(machine: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let description = directory.path().join("machine.toml");
        std::fs::write(&description, machine).unwrap();
        let process = Command::new(program())
            .arg("serve")
            .arg(directory.path().join("root"))
            .arg("--socket")
            .arg(directory.path().join("sock"))
            .arg("--machine")
            .arg(&description)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut emulator = Self { process, directory };
        emulator.wait_until_it_answers();
        emulator
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// The root as the library sees it, for reading what needs no ioctl.
    pub(crate) fn tree(&self) -> Root {
        Root::at(self.root())
    }

    /// An attribute of a platform device.
    pub(crate) fn attribute(&self, device: &str, name: &str) -> String {
        let path = self.tree().platform_device(device).join(name);
        std::fs::read_to_string(path).unwrap().trim().to_owned()
    }

    /// What the region behind a port holds, seen from outside.
    pub(crate) fn function(&self, port: &str) -> AfuId {
        self.attribute(port, "afu_id").parse().unwrap()
    }

    /// A register of the function behind a port, which is in the node itself.
    pub(crate) fn register(&self, port: &str, offset: u64) -> u64 {
        let mut value = [0; 8];
        let node = File::open(self.tree().node(port)).unwrap();
        node.read_exact_at(&mut value, offset).unwrap();
        u64::from_le_bytes(value)
    }

    pub(crate) fn set_register(&self, port: &str, offset: u64, value: u64) {
        let node = OpenOptions::new().write(true).open(self.tree().node(port)).unwrap();
        node.write_all_at(&value.to_le_bytes(), offset).unwrap();
    }

    pub(crate) fn control(&self, command: &ctl::Command) {
        self.client().run(command).unwrap();
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.directory.path().join("sock")).unwrap()
    }

    /// Starts a helper whose ioctls this emulator answers.
    pub(crate) fn spawn(&self, request: &Request) -> Helper {
        let mut command = Command::new(program());
        let socket = self.directory.path().join("sock");
        command.args(["exec", "--attribute-errors", "--socket"]).arg(socket).arg("--");
        Helper::spawn(command, request)
    }

    fn wait_until_it_answers(&mut self) {
        let start = Instant::now();
        let socket = self.directory.path().join("sock");
        while Client::connect(&socket).and_then(|mut client| client.status()).is_err() {
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("fpga-emulator serve ended with {status}");
            }
            assert!(start.elapsed() < PATIENCE, "fpga-emulator serve does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The emulator's binary, which belongs to another package: built once for all tests.
fn program() -> &'static Path {
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
        let artifacts =
            messages.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
        let executable = artifacts
            .filter(|m| m["target"]["name"] == "fpga-emulator")
            .find_map(|m| Some(PathBuf::from(m["executable"].as_str()?)));
        executable.expect("cargo names the binary that it built")
    })
}
