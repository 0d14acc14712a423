//! The machine as files: `sys/` and `dev/` below a root directory, laid out as the kernel does it.
//!
//! Attributes are replaced, not rewritten: the new content is written beside the tree and renamed into place.
//! A reader sees the old or the new value, never half of one; whoever watches the directory with inotify
//! sees `IN_MOVED_TO` at every change; and a write by somebody else (`IN_CLOSE_WRITE`) cannot be confused with
//! ours. Device nodes are plain files that are never replaced while the device lives, so that their inode
//! identifies them; a port's node has the size of its registers and can be mapped. They come last and go first: who
//! sees a node finds all that belongs to it.
//!
//! What a file cannot do is answer a read with `EBUSY` or `EIO`. An attribute that the kernel would refuse to
//! read is a socket file here: it exists, and opening it fails with `ENXIO` for everybody, so that no reader
//! takes an old value for a true one. `fpga-emulator exec --attribute-errors` turns that into the exact error.

mod dfl;
mod files;
mod opae;
mod pci;
mod port;
mod sheet;

use std::path::{Path, PathBuf};

pub use files::{Found, Mapped, Mapper, Tree, Written};
pub use sheet::{Entry, Sheet};

use crate::host::{BusFile, Host, Link, Slot};
use crate::machine::{Driver, Machine};

/// Where programs keep what they know of the regions of this machine, below its root: it ends with the machine, as on
/// a real one with the boot.
pub(crate) const LEDGER: &str = "run/kube-fpga/ledger";

/// A tree that cannot be made or kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory holds something else.
    #[error("{0}: not empty, and not a tree of the emulator")]
    NotOurs(PathBuf),
    /// Another emulator serves it.
    #[error("{0}: in use by another emulator")]
    InUse(PathBuf),
    /// A file operation failed.
    #[error("{path}: {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |reason| Self::Io { path, reason }
    }
}

/// Writes the tree of a machine below `root`, which must be absent, empty or an earlier tree. Nobody serves it:
/// it is what a scan of such a machine reads.
///
/// # Errors
/// [`Error`] with the path.
pub fn create(machine: &Machine, root: &Path) -> Result<(), Error> {
    let host = Host::new(machine);
    let mut tree = Tree::claim(root)?;
    tree.show_machine(&host)?;
    tree.sync(&host)?;
    tree.write_registers(&host)
}

/// What does not belong to a card: the directories that the drivers bring with them.
fn machine_sheet(host: &Host) -> Sheet {
    let mut sheet = Sheet::default();
    sheet.dir("dev/char");
    for dir in [
        "bus/pci/devices",
        "bus/platform/devices",
        "class/hwmon",
        "dev/char",
        "devices/system/node",
        // Where `exec --namespace` puts those of the real machine.
        "fs/cgroup",
    ] {
        sheet.dir(&format!("sys/{dir}"));
    }
    for driver in drivers(host) {
        sheet.dir(&driver_dir(driver));
        let dirs: &[&str] = match driver {
            Driver::Dfl => &[
                "class/fpga_region",
                "class/fpga_manager",
                "class/fpga_bridge",
                "bus/platform/drivers/dfl-fme",
                "bus/platform/drivers/dfl-port",
                "bus/platform/drivers/dfl-fme-mgr",
                "bus/platform/drivers/dfl-fme-bridge",
                "bus/platform/drivers/dfl-fme-region",
            ],
            Driver::Opae => &["class/fpga"],
        };
        dirs.iter().for_each(|dir| sheet.dir(&format!("sys/{dir}")));
    }
    sheet
}

/// The PCI core's files that can be written and belong to no card. They come with the drivers.
fn bus_files(host: &Host) -> Vec<(String, BusFile)> {
    let mut files = vec![("sys/bus/pci/rescan".to_owned(), BusFile::Rescan)];
    for driver in drivers(host) {
        let dir = driver_dir(driver);
        files.push((format!("{dir}/bind"), BusFile::Bind(driver)));
        files.push((format!("{dir}/unbind"), BusFile::Unbind(driver)));
    }
    files
}

/// The drivers that the machine has cards for.
fn drivers(host: &Host) -> impl Iterator<Item = Driver> + '_ {
    let is_used = |d: &Driver| host.slots.iter().any(|s| s.spec.driver == *d);
    [Driver::Dfl, Driver::Opae].into_iter().filter(is_used)
}

fn driver_dir(driver: Driver) -> String {
    format!("sys/bus/pci/drivers/{}", driver.pci_name())
}

/// Everything of one card that is on the bus.
fn card_sheet(index: usize, slot: &Slot) -> Sheet {
    let mut sheet = Sheet::default();
    if slot.link != Link::Up {
        return sheet;
    }
    pci::physical(&mut sheet, slot);
    if let Some(bound) = &slot.bound {
        match slot.spec.driver {
            Driver::Dfl => dfl::card(&mut sheet, index, slot, bound),
            Driver::Opae => opae::card(&mut sheet, index, slot, bound),
        }
        bound.vfs.iter().for_each(|vf| pci::virtual_function(&mut sheet, slot, vf));
    }
    for (path, error) in &slot.denied {
        // Only what is there can refuse to be read.
        if sheet.0.contains_key(path) {
            sheet.deny(path, *error);
        }
    }
    sheet
}

#[cfg(test)]
mod tests;
