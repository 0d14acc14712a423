//! What went wrong, and the exit code for it.

use std::fmt::{self, Display};
use std::process::ExitCode;

use fpga::program::{self, Cause};

/// The exit codes of the command, as its help lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// All is as asked.
    Done = 0,
    /// Anything that has no code of its own.
    Failed = 1,
    /// The device is gone, or is another one.
    Gone = 3,
    /// Locked or in use.
    Busy = 5,
    /// No usable bitstream.
    Bitstream = 6,
    /// Another function than asked.
    Programming = 7,
    /// The region is disabled.
    Disabled = 8,
    /// State, configuration or variables.
    Input = 10,
    /// Not granted, or unknown.
    NotGranted = 11,
}

/// What went wrong, in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code for it.
    pub code: Code,
    /// In one line.
    pub message: String,
}

impl Failure {
    /// That something went wrong.
    #[must_use]
    pub fn new(code: Code, message: impl Display) -> Self {
        Self { code, message: message.to_string() }
    }

    /// The same, with something before the message.
    pub(crate) fn of(self, what: impl Display) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    /// The same, with something after the message.
    pub(crate) fn but(self, what: impl Display) -> Self {
        Self { message: format!("{}: {what}", self.message), ..self }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Cause> for Code {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Incompatible => Self::Bitstream,
            Cause::Locked | Cause::InUse => Self::Busy,
            Cause::Failed | Cause::Mismatch => Self::Programming,
            Cause::Disabled => Self::Disabled,
            Cause::Gone => Self::Gone,
            Cause::Denied | Cause::Other => Self::Failed,
        }
    }
}

impl From<program::Error> for Failure {
    fn from(error: program::Error) -> Self {
        Self::new(error.cause().into(), error)
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}
