//! Whose each region is, and what is in it.
//!
//! A directory below `/run`, which goes with the boot as this knowledge does, with one small JSON file for each
//! region. A file is written whole while its writer has the lock of the card, so that it says what the last
//! procedure left. Everybody may read it: what is offered, shown and counted follows it.
//!
//! What a region shows, its AFU id, does not say which image it holds: all OpenCL images of a board may show the
//! same one, and a rebuilt image shows that of the one before it. So an image is taken for loaded only where the
//! ledger names it by the digest of its file, only while the driver that it was loaded through is still bound
//! ([`Binding`]), and only where nobody else was seen to program the card since ([`Ledger::doubt`]).

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::files;
use crate::id::DeviceId;
use crate::program::CardLock;

mod binding;
mod digest;
mod doubt;
mod entry;
mod owner;

pub use binding::Binding;
pub use digest::{Digest, FileIdentity, Fingerprint, ParseDigestError};
pub use doubt::Moment;
pub(crate) use doubt::closing_node;
pub use entry::{Entry, Image, State};
pub use owner::{Kind, Life, Owner, Process};

/// Where the ledger is unless told otherwise.
pub const DEFAULT_DIRECTORY: &str = "/run/kube-fpga/ledger";

/// An entry is some hundred bytes; the reason of a failure is the longest part.
const LIMIT: u64 = 64 << 10;

/// How the names of entries end.
const EXTENSION: &str = ".json";

/// A node's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    directory: PathBuf,
}

/// An entry that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot {action} the ledger's entry: {cause}", path.display())]
pub struct Error {
    /// Its file.
    pub path: PathBuf,
    /// `read` or `write`.
    pub action: &'static str,
    /// Why not.
    #[source]
    pub cause: io::Error,
}

impl Ledger {
    /// The ledger in `directory`, which is made when the first entry is written.
    #[must_use]
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes its directory, so that it can be watched before the first entry is written.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make(&self) -> io::Result<()> {
        files::make_directories(&self.directory)
    }

    /// What is known of the region; `None` when nothing was ever written. An image that is in doubt is left out.
    ///
    /// # Errors
    /// The file cannot be read, or is not an entry.
    pub fn read(&self, slot: DeviceId) -> Result<Option<Entry>, Error> {
        let path = self.path(slot);
        let fail = |cause| Error { path: path.clone(), action: "read", cause };
        let text = match files::read(&path, LIMIT) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(error)),
        };
        let entry = Entry::parse(&text).map_err(|error| fail(error.into()))?;
        Ok(Some(self.doubted(slot, entry)))
    }

    /// Replaces what is known of a region on the card that is locked: readable by everybody, on disk when this
    /// returns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, _lock: &CardLock, slot: DeviceId, entry: &Entry) -> Result<(), Error> {
        let path = self.path(slot);
        let fail = |cause| Error { path: path.clone(), action: "write", cause };
        let text = serde_json::to_vec(entry).map_err(|error| fail(error.into()))?;
        self.make().map_err(fail)?;
        files::replace(&path, &text, 0o644).map_err(fail)
    }

    /// All entries by their regions, each with its own error if it cannot be read.
    ///
    /// # Errors
    /// The directory cannot be listed. A missing one has no entries.
    pub fn entries(&self) -> io::Result<Vec<(DeviceId, Result<Entry, Error>)>> {
        let listing = match fs::read_dir(&self.directory) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut slots = Vec::new();
        for entry in listing {
            slots.extend(slot_of(&entry?.file_name()));
        }
        slots.sort();
        let read = |slot| Some((slot, self.read(slot).transpose()?));
        Ok(slots.into_iter().filter_map(read).collect())
    }

    fn path(&self, slot: DeviceId) -> PathBuf {
        self.directory.join(format!("{slot}{EXTENSION}"))
    }
}

fn slot_of(name: &OsStr) -> Option<DeviceId> {
    name.to_str()?.strip_suffix(EXTENSION)?.parse().ok()
}

#[cfg(test)]
mod tests;
