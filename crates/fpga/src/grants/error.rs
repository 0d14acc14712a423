//! Why a file of grants is not used.

use std::io;
use std::path::PathBuf;

/// A file of grants that cannot be trusted, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused.
    #[error("{}: cannot {operation}: {cause}", path.display())]
    Io {
        /// Path of the file of grants.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// The kernel's answer.
        cause: io::Error,
    },
    /// Not a regular file.
    #[error("{}: not a regular file", path.display())]
    NotRegular {
        /// Path of the file of grants.
        path: PathBuf,
    },
    /// Somebody else's.
    #[error("{}: owned by user {owner}: it must be root's or the current user's ({user})", path.display())]
    Owner {
        /// Path of the file of grants.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who reads it.
        user: u32,
    },
    /// Others may change it.
    #[error("{}: mode {mode:04o}: others than its owner may write to it", path.display())]
    Writable {
        /// Path of the file of grants.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Longer than any sensible one.
    #[error("{}: longer than {limit} bytes", path.display())]
    TooLong {
        /// Path of the file of grants.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// Not the JSON that it should be.
    #[error("{}: {cause}", path.display())]
    Malformed {
        /// Path of the file of grants.
        path: PathBuf,
        /// Where and why.
        cause: serde_json::Error,
    },
    /// Another version of the format.
    #[error("{}: version {version}: expected {expected}", path.display())]
    Version {
        /// Path of the file of grants.
        path: PathBuf,
        /// The version that the file names.
        version: u32,
        /// The version that is known.
        expected: u32,
    },
}
