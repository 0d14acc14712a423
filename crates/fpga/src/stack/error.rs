//! What a driver answers, above the driver: in words, and what follows from it.

use std::path::Path;

use nix::errno::Errno;

use crate::sysfs::AttrError;

/// What kind of trouble an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Somebody else uses the device.
    Busy,
    /// The device is not there, or no driver is behind it.
    Gone,
    /// The caller may not use it.
    Denied,
    /// Anything else.
    Other,
}

/// A call that failed, or an attribute that cannot be read. Its text names the object.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    cause: Cause,
    message: String,
}

impl Cause {
    /// What an error number means for a file.
    pub(crate) fn of(errno: Errno) -> Self {
        match errno {
            Errno::ENOENT | Errno::ENODEV | Errno::ENXIO => Self::Gone,
            Errno::EACCES | Errno::EPERM | Errno::EROFS => Self::Denied,
            _ => Self::Other,
        }
    }
}

impl Error {
    pub(crate) fn new(cause: Cause, message: impl ToString) -> Self {
        Self { cause, message: message.to_string() }
    }

    /// An attribute that cannot be read or written, as `action` says.
    pub(crate) fn attribute(path: &Path, action: &str, error: AttrError) -> Self {
        let message = format!("{}: cannot {action}: {error}", path.display());
        match error {
            // With the kernel's name of the error, for those who search for it.
            AttrError::Os(errno) => Self::new(Cause::of(errno), format!("{message} ({errno:?})")),
            AttrError::TooLong | AttrError::NotText => Self::new(Cause::Other, message),
        }
    }

    /// The kind of trouble.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }
}
