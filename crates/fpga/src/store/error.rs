//! What can be wrong with a store, in words.

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::bitstream::{self, ImageId};
use crate::id::InterfaceId;

/// A store or a file in it that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file itself is at fault.
    #[error(transparent)]
    Bitstream(#[from] bitstream::Error),
    /// Nothing is installed under these ids.
    #[error("no bitstream of function {image} for region {interface}: {} does not exist", path.display())]
    NotFound {
        /// The region's interface id.
        interface: InterfaceId,
        /// The function that was asked for.
        image: ImageId,
        /// Where it would be.
        path: PathBuf,
    },
    /// A symbolic link at or above the file, below the root.
    #[error("{}: is or goes through a symbolic link, which a store must not contain", path.display())]
    SymbolicLink {
        /// Path of the file that was looked up.
        path: PathBuf,
    },
    /// The contents have other ids than the name.
    #[error("{}: is misnamed: its contents belong at {}", path.display(), belongs.display())]
    Misnamed {
        /// Path of the misnamed file.
        path: PathBuf,
        /// Where it belongs, relative to the root.
        belongs: PathBuf,
    },
    /// Something with another name than a store gives.
    #[error("{}: found a {found}, expected {expected}", path.display())]
    Stranger {
        /// Path of the file or directory.
        path: PathBuf,
        /// What kind of file it is.
        found: &'static str,
        /// What the store has at such a place.
        expected: &'static str,
    },
    /// The destination exists already.
    #[error("{}: exists already, and replacing it was not asked for", path.display())]
    Exists {
        /// Path in the store that the bitstream was to be installed at.
        path: PathBuf,
    },
    /// The file to install was changed during the installation.
    #[error("{}: changed while it was copied", path.display())]
    Changed {
        /// The file to install.
        path: PathBuf,
    },
    /// The kernel refused.
    #[error("{}: cannot {operation}: {cause}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// The kernel's answer.
        cause: io::Error,
    },
}

impl Error {
    /// The error for an open below the root that failed.
    pub(super) fn open(path: PathBuf, cause: io::Error) -> Self {
        match cause.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ELOOP) => Self::SymbolicLink { path },
            _ => Self::Io { path, operation: "open it", cause },
        }
    }
}
