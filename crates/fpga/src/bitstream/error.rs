//! What can be wrong with a bitstream, in words.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use super::Format;

/// A bitstream file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// open(2) or fstat(2) failed.
    #[error("{}: cannot be opened: {cause}", path.display())]
    Open {
        /// Path of the bitstream file.
        path: PathBuf,
        /// The kernel's answer.
        cause: io::Error,
    },
    /// A directory, device, FIFO or socket.
    #[error("{}: not a regular file", path.display())]
    NotRegular {
        /// Path of the bitstream file.
        path: PathBuf,
    },
    /// The contents are not what the format asks for.
    #[error("{}: {fault}", path.display())]
    Malformed {
        /// Path of the bitstream file.
        path: PathBuf,
        /// Where and what.
        fault: ParseError,
    },
    /// The extension is that of the other format.
    #[error("{}: the extension says {claimed}, the contents are {contents}", path.display())]
    Extension {
        /// Path of the bitstream file.
        path: PathBuf,
        /// What the extension stands for.
        claimed: Format,
        /// What the file is.
        contents: Format,
    },
    /// The file has another length than when it was opened.
    #[error("{}: had {before} bytes when it was opened and has {now} now: it is being written to", path.display())]
    Resized {
        /// Path of the bitstream file.
        path: PathBuf,
        /// Length in bytes when it was opened.
        before: u64,
        /// Length in bytes now.
        now: u64,
    },
    /// mmap(2) failed.
    #[error("{}: cannot be mapped: {cause}", path.display())]
    Map {
        /// Path of the bitstream file.
        path: PathBuf,
        /// The kernel's answer.
        cause: io::Error,
    },
}

/// A field that is not what the format asks for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The bytes could not be read.
    #[error("{field}: cannot be read: {cause}")]
    Read {
        /// The field, as error messages name it, such as `magic`.
        field: Cow<'static, str>,
        /// The kernel's answer.
        cause: io::Error,
    },
    /// The data ends too early.
    #[error("{field}: truncated: {has} of {needs} bytes are there")]
    Truncated {
        /// The field, as error messages name it, such as `magic`.
        field: Cow<'static, str>,
        /// Its length in bytes.
        needs: u64,
        /// How many of them exist.
        has: u64,
    },
    /// The file is well known, and nothing that a region here takes.
    #[error("it is {0}")]
    Foreign(String),
    /// The field has another value or form.
    #[error("{field}: found {found}, expected {expected}")]
    Value {
        /// The field, as error messages name it, such as `magic`.
        field: Cow<'static, str>,
        /// What is there; text from the file is quoted and escaped.
        found: String,
        /// What the format asks for.
        expected: Cow<'static, str>,
    },
}

impl ParseError {
    pub(super) fn value(
        field: impl Into<Cow<'static, str>>,
        found: impl Into<String>,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Value { field: field.into(), found: found.into(), expected: expected.into() }
    }

    /// The same error about a field inside `outer`.
    pub(super) fn within(mut self, outer: &str) -> Self {
        match &mut self {
            Self::Read { field, .. }
            | Self::Truncated { field, .. }
            | Self::Value { field, .. } => {
                *field = format!("{outer}: {field}").into();
            }
            // It is said of the whole file.
            Self::Foreign(_) => {}
        }
        self
    }
}
