//! Everything that can go wrong, and the exit code for it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fpga::id::AfuId;
use fpga::stack::intel::driver::{Cause, Error};

/// Why the program ends without a result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Every port was looked into and none holds the function. The first three lines are those that
    /// users of Intel's samples and their scripts know.
    #[error(
        "device enumeration failed.\n\
         Please make sure that the driver is loaded and that a bitstream for\n\
         AFU id: {} is programmed.{}", afu_id.to_uuid().to_uppercase(), Lines(ports)
    )]
    NotFound {
        /// The function that was looked for.
        afu_id: AfuId,
        /// What each port holds, a line each.
        ports: Vec<String>,
    },
    /// No port that could be looked into holds the function, and there are others.
    #[error(
        "no free port holds AFU id {}, and not every port could be looked into:{}",
        afu_id.to_uuid().to_uppercase(), Lines(ports)
    )]
    Unavailable {
        /// The function that was looked for.
        afu_id: AfuId,
        /// Why a port could not be looked into.
        cause: Unavailable,
        /// What each port holds, a line each.
        ports: Vec<String>,
    },
    /// A port holds the function that must not be there.
    #[error("{} holds AFU id {}, which must not be here", node.display(), afu_id.to_uuid().to_uppercase())]
    Present {
        /// The function.
        afu_id: AfuId,
        /// The port.
        node: PathBuf,
    },
    /// The driver refused something.
    #[error(transparent)]
    Driver(#[from] Error),
    /// The run went wrong.
    #[error("{}: {problem}", node.display())]
    Run {
        /// The port.
        node: PathBuf,
        /// What went wrong.
        problem: Problem,
    },
    /// The result could not be printed.
    #[error("cannot write the result: {0}")]
    Output(std::io::Error),
}

/// Why a port could not be looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unavailable {
    Busy,
    Denied,
}

impl Failure {
    /// The exit codes that `--help` lists.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 102,
            Self::Present { .. } => 103,
            Self::Unavailable { cause: Unavailable::Busy, .. } => 3,
            Self::Unavailable { cause: Unavailable::Denied, .. } => 4,
            Self::Driver(error) | Self::Run { problem: Problem::Driver(error), .. } => {
                match error.cause() {
                    Cause::Busy => 3,
                    Cause::Denied => 4,
                    Cause::LockedMemory => 5,
                    Cause::Gone | Cause::Other => 1,
                }
            }
            Self::Run { .. } | Self::Output(_) => 1,
        }
    }
}

/// What can go wrong in a run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("no answer from the function: waited {} s for {awaited}", .waited.as_secs_f64())]
    Timeout { waited: Duration, awaited: &'static str },
    #[error("the card is gone: waited {} s for {awaited}, and all registers read as ones", .waited.as_secs_f64())]
    Gone { waited: Duration, awaited: &'static str },
    #[error("the function reported errors: error vector {0:#010x}")]
    ErrorVector(u32),
    #[error("the function counted {reads} reads and {writes} writes, expected {expected} of each")]
    Counters { reads: u32, writes: u32, expected: Expected },
    #[error("the function counted {clocks} clocks, of which it calls {overhead} overhead")]
    Clocks { clocks: u64, overhead: u64 },
    #[error(
        "wrong data in destination line {line}, bytes {byte} to {}: expected {expected:#018x}, found {found:#018x} \
         ({wrong} of {lines} lines differ)", byte + 7
    )]
    Mismatch { line: usize, byte: usize, expected: u64, found: u64, wrong: usize, lines: usize },
    #[error("destination line {line} was written, which is behind the last of {lines} lines")]
    Overrun { line: usize, lines: usize },
    #[error(transparent)]
    Driver(#[from] Error),
}

impl Problem {
    pub(crate) fn on(self, node: &Path) -> Failure {
        match self {
            // The driver's own errors name the node already.
            Self::Driver(error) => Failure::Driver(error),
            problem => Failure::Run { node: node.to_owned(), problem },
        }
    }
}

/// How many accesses a run should count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Exactly(u32),
    /// A continuous run ends after some whole number of rounds, or within one.
    AtLeast(u32),
}

impl Expected {
    pub(crate) fn fits(self, count: u32) -> bool {
        match self {
            Self::Exactly(expected) => count == expected,
            Self::AtLeast(expected) => count >= expected,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(expected) => write!(f, "{expected}"),
            Self::AtLeast(expected) => write!(f, "at least {expected}"),
        }
    }
}

/// Each on a line of its own, after what was said before.
struct Lines<'a>(&'a [String]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::Mode;

    #[test]
    fn not_found_says_the_known_words_first() {
        let failure = Failure::NotFound {
            afu_id: Mode::Copy.afu_id(),
            ports: vec!["/dev/dfl-port.0: holds something".into()],
        };
        assert_eq!(
            format!("Error: {failure}"),
            "Error: device enumeration failed.\n\
             Please make sure that the driver is loaded and that a bitstream for\n\
             AFU id: D8424DC4-A4A3-C413-F89E-433683F9040B is programmed.\n\
             /dev/dfl-port.0: holds something"
        );
        assert_eq!(failure.exit_code(), 102);
    }

    #[test]
    fn exit_codes() {
        let limit = Error::LockedMemory { path: "/dev/dfl-port.0".into(), length: 4096, limit: 0 };
        assert_eq!(Failure::Driver(limit).exit_code(), 5);
        let hang = Problem::Timeout { waited: Duration::from_secs(1), awaited: "it" };
        assert_eq!(hang.on(Path::new("/dev/dfl-port.0")).exit_code(), 1);
        for (cause, code) in [(Unavailable::Busy, 3), (Unavailable::Denied, 4)] {
            let failure =
                Failure::Unavailable { afu_id: Mode::Copy.afu_id(), cause, ports: vec![] };
            assert_eq!(failure.exit_code(), code);
        }
    }

    #[test]
    fn a_mismatch_names_the_line_and_both_values() {
        let problem = Problem::Mismatch {
            line: 7,
            byte: 8,
            expected: 1,
            found: 0x1_0000,
            wrong: 2,
            lines: 64,
        };
        assert_eq!(
            problem.on(Path::new("/dev/dfl-port.0")).to_string(),
            "/dev/dfl-port.0: wrong data in destination line 7, bytes 8 to 15: expected 0x0000000000000001, \
             found 0x0000000000010000 (2 of 64 lines differ)"
        );
    }
}
