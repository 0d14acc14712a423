//! A running emulator for one test, and helpers under it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use fpga::id::AfuId;
use fpga::root::Root;
use fpga_emulator::ctl::{self, Client};
use fpga_emulator::testing;

use crate::helper::{Helper, Request};

pub(crate) use testing::{PATIENCE, eventually};

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

pub(crate) struct Emulator(testing::Emulator);

impl Emulator {
    pub(crate) fn start(machine: &str) -> Self {
        Self(testing::Emulator::start(machine))
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.0.root()
    }

    /// The root as the library sees it, for reading what needs no ioctl.
    pub(crate) fn tree(&self) -> Root {
        Root::at(self.root())
    }

    /// An attribute of a platform device.
    pub(crate) fn attribute(&self, device: &str, name: &str) -> String {
        self.0.attribute(device, name)
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
        self.0.control()
    }

    /// Starts a helper whose ioctls this emulator answers.
    pub(crate) fn spawn(&self, request: &Request) -> Helper {
        Helper::spawn(self.0.exec(&["--attribute-errors"]), request)
    }
}
