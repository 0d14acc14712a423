//! Exit codes: part of the interface, listed in `--help`.

use std::process::ExitCode;

/// How a command ended. Code 2 is the command-line parser's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Everything was shown and nothing is wrong.
    Sound,
    /// The command failed.
    Failed,
    /// There is nothing to show.
    Nothing,
    /// Something was shown, and something is wrong.
    Diagnosed,
}

/// The table for `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  everything was shown and nothing is wrong
  1  the command failed
  2  the command line is wrong
  3  nothing to show: no driver is loaded, there is no card, or none of that name
  4  shown, but something is wrong with a card; the diagnosis is on stderr";

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Sound => 0,
            Status::Failed => 1,
            Status::Nothing => 3,
            Status::Diagnosed => 4,
        })
    }
}
