//! Exit codes: part of the interface, listed in `--help`.

use std::process::ExitCode;

use fpga::program::{Cause, LockError};
use fpga::{program, store};
use fpga_findings::Level;

use crate::commands::{install_host, target};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// It was done; everything was shown and nothing is wrong.
    Sound,
    /// The command failed.
    Failed,
    /// The command line is wrong, or fits several objects. The parser ends with the same code.
    Usage,
    /// There is nothing to show or to work on.
    Nothing,
    /// Something was shown, and something is wrong.
    Diagnosed,
    /// Somebody else has the card or the port. Nothing was touched.
    Busy,
    /// The bitstream does not fit. Nothing was touched.
    Unfit,
    /// The card refused the bitstream, or shows another function than it should.
    Refused,
    /// The region is disabled until the card is recovered.
    Disabled,
    /// What was checked is at worst like this.
    Judged(Level),
    /// The runtime hook has codes of its own.
    Hook(fpga_hook::Code),
}

/// The table for `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done; everything was shown and nothing is wrong
  1  the command failed
  2  the command line is wrong, or names several objects where one is meant
  3  nothing to show or to work on: no driver, no card, or none of that name
  4  shown, but something is wrong with a card or a bitstream
  5  the card or the directory is locked, or the port in use; nothing was touched
  6  the bitstream or its user clock does not suit the region; nothing was touched
  7  the card refused the bitstream or its user clock, or shows a different function
  8  the region is disabled since a failed reconfiguration: run `fpgactl recover`
  9  doctor: there are warnings, but no errors
 10  doctor: something could not be determined; there are neither errors nor warnings";

/// How a command that ended with `error` ended.
pub(crate) fn of(error: &anyhow::Error) -> Status {
    if let Some(error) = error.downcast_ref::<program::Error>() {
        return of_cause(error.cause());
    }
    if let Some(error) = error.downcast_ref::<target::Error>() {
        return error.status();
    }
    if let Some(LockError::Timeout { .. }) = error.downcast_ref() {
        return Status::Busy;
    }
    if error.is::<install_host::Locked>() {
        return Status::Busy;
    }
    match error.downcast_ref::<store::Error>() {
        Some(store::Error::NotFound { .. }) => Status::Nothing,
        _ => Status::Failed,
    }
}

fn of_cause(cause: Cause) -> Status {
    match cause {
        Cause::Locked | Cause::InUse => Status::Busy,
        Cause::Incompatible => Status::Unfit,
        Cause::Failed | Cause::Mismatch => Status::Refused,
        Cause::Disabled => Status::Disabled,
        Cause::Denied | Cause::Gone | Cause::Other => Status::Failed,
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Sound => 0,
            Status::Failed => 1,
            Status::Usage => 2,
            Status::Nothing => 3,
            Status::Diagnosed => 4,
            Status::Busy => 5,
            Status::Unfit => 6,
            Status::Refused => 7,
            Status::Disabled => 8,
            Status::Judged(level) => level.exit_code(),
            Status::Hook(code) => return code.into(),
        })
    }
}
