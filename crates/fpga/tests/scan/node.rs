//! The tree of an emulated machine.

use std::fs;
use std::path::{Path, PathBuf};

use fpga::card::{Card, Inventory, Slot};
use fpga::root::Root;
use fpga::scan::scan;
use fpga_emulator::machine::Machine;
use fpga_emulator::tree;

pub(crate) struct Node {
    // Held for its removal.
    _temp: tempfile::TempDir,
    dir: PathBuf,
}

impl Node {
    pub(crate) fn new(machine: &Machine) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("node");
        tree::create(machine, &dir).unwrap();
        Self { _temp: temp, dir }
    }

    pub(crate) fn preset(name: &str) -> Self {
        Self::new(&Machine::preset(name).unwrap())
    }

    pub(crate) fn described(text: &str) -> Self {
        Self::new(&Machine::parse(text).unwrap())
    }

    /// A node without any driver.
    pub(crate) fn bare() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("node");
        fs::create_dir_all(dir.join("sys/class")).unwrap();
        Self { _temp: temp, dir }
    }

    pub(crate) fn root(&self) -> Root {
        Root::at(&self.dir)
    }

    pub(crate) fn scan(&self) -> Inventory {
        scan(&self.root())
    }

    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.dir.join(relative)
    }

    /// The real directory of a PCI function.
    pub(crate) fn pci(&self, address: &str) -> PathBuf {
        fs::canonicalize(self.path("sys/bus/pci/devices").join(address)).unwrap()
    }

    /// The real directory of a port or FME.
    pub(crate) fn device(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.path("sys/bus/platform/devices").join(name)).unwrap()
    }
}

pub(crate) fn card<'a>(inventory: &'a Inventory, address: &str) -> &'a Card {
    let found = inventory.cards.iter().find(|card| card.id.to_string() == address);
    found.unwrap_or_else(|| panic!("no card {address} in {inventory:#?}"))
}

pub(crate) fn port<'a>(inventory: &'a Inventory, name: &str) -> &'a Slot {
    let found = inventory.slots().find(|(_, slot)| slot.name == name);
    found.unwrap_or_else(|| panic!("no slot {name} in {inventory:#?}")).1
}

/// The problems, as they are printed.
pub(crate) fn problems(inventory: &Inventory) -> Vec<String> {
    inventory.all_problems().map(ToString::to_string).collect()
}
