//! The FPGA manager of a card: what it is doing, and why it failed (`drivers/fpga/fpga-mgr.c`).
//!
//! The in-tree driver registers one below the management engine. The out-of-tree driver has none.

use std::fs;
use std::path::{Path, PathBuf};

use crate::stack::{Device, Error};
use crate::sysfs;

/// What the manager says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Manager {
    /// A word or two of `state_str`; empty without a manager.
    pub(super) state: String,
    /// The lines of `status`.
    pub(super) errors: Vec<String>,
}

impl Manager {
    pub(super) fn of(fme: &Device) -> Result<Self, Error> {
        let Some(dir) = directory(&fme.dir) else { return Ok(Self::default()) };
        let text = |name| {
            let path = dir.join(name);
            sysfs::read(&path)
                .map(Option::unwrap_or_default)
                .map_err(|error| Error::attribute(&path, "read", error))
        };
        let errors = text("status")?.lines().map(str::to_owned).collect();
        Ok(Self { state: text("state")?, errors })
    }

    /// True when a port that is disabled is so because an image is being taken, or about to be. Not so
    /// after an error, nor after a success: that does not enable what an earlier error left disabled.
    /// In the state `unknown` there was no programming since the driver was bound, so none has failed.
    /// Without a manager it is always taken to be so: the out-of-tree driver enables a port again
    /// whatever came out.
    pub(super) fn explains_busy(&self) -> bool {
        self.state != "operating" && !self.state.ends_with(" error")
    }
}

/// `dfl-fme.0/dfl-fme-mgr.0/fpga_manager/fpga0`.
fn directory(fme: &Path) -> Option<PathBuf> {
    let manager = child(fme, "dfl-fme-mgr.")?;
    child(&manager.join("fpga_manager"), "fpga")
}

fn child(dir: &Path, prefix: &str) -> Option<PathBuf> {
    fs::read_dir(dir)
        .ok()?
        .flatten()
        .find_map(|entry| entry.file_name().to_str()?.starts_with(prefix).then(|| entry.path()))
}
