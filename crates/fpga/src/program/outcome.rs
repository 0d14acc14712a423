//! How a procedure ended, and what its caller should know about it.

use std::fmt;
use std::time::Duration;

use nix::errno::Errno;

use super::holder::Holder;
use super::image::UserClock;
use crate::card::Function;
use crate::ledger;
use crate::stack::Frequencies;

/// A programming that ended as asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What was done.
    pub action: Action,
    /// What the region held before.
    pub before: Function,
    /// What it holds now; after a dry run, what it would hold.
    pub after: Function,
    /// What the card counts of the clock that the image asks for. `None` when it asks for none, or nothing was counted.
    pub clock: Option<Frequencies>,
    /// What the caller should know.
    pub warnings: Vec<Warning>,
}

/// What was done to a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It held the image already, and was only reset if that was asked for.
    AlreadyLoaded,
    /// Nothing: it was prepared for this owner before.
    AlreadyPrepared,
    /// Nothing: it is not the region of the owner who has ended.
    NotOwned,
    /// It was programmed.
    Programmed {
        /// How long the driver took.
        time: Duration,
    },
    /// Everything was checked; the rest was left out, as asked.
    DryRun,
}

/// How a cleaning ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Cleaned {
    /// The slot was reset.
    Done(Vec<Warning>),
    /// Nothing was touched: it was prepared for this owner before.
    AlreadyPrepared,
    /// Nothing was touched: it is not the region of the owner who has ended.
    NotOwned,
}

impl Cleaned {
    /// What the caller should know.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        match self {
            Self::Done(warnings) => warnings,
            Self::AlreadyPrepared | Self::NotOwned => &[],
        }
    }
}

/// Something that does not stop a procedure but that its caller should know.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The port had errors of an earlier user. They are cleared.
    ErrorsCleared {
        /// In words.
        errors: String,
    },
    /// The port has errors of an earlier user that cannot be cleared.
    ErrorsNotCleared {
        /// In words.
        errors: String,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The image was there already, but not the clock that it asks for, so it was programmed again with that.
    UserClock {
        /// What it asks for.
        clock: UserClock,
        /// What the clock ran at, where the card could count it.
        found: Option<Frequencies>,
    },
    /// The port had users, and the caller asked not to mind.
    TakenFromUsers(Vec<Holder>),
    /// The port could not be reset, because somebody has it exclusively.
    NotReset,
    /// The port was given back, but no driver took it.
    NoDriver,
    /// What was known of the region cannot be read, so it is taken for unknown.
    Ledger {
        /// Which entry, and why not.
        trouble: String,
    },
    /// Virtual functions went with the driver and were not enabled again.
    VirtualFunctionsLost(u32),
}

/// A step of a procedure, for a display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// Taking the card's lock.
    Locking,
    /// Somebody else has the lock; their name, if it is visible.
    Waiting(Option<&'a Holder>),
    /// Reading what is loaded and whether the port is in use.
    Verifying,
    /// Clearing what earlier users left.
    Clearing,
    /// Setting the clock that the function asks for.
    Clocking,
    /// The driver takes the image, in one call of seconds; the size in bytes.
    Programming(usize),
    /// Reading the function's id.
    ReadingBack,
    /// Resetting the port.
    Resetting,
    /// Taking the driver from the card.
    Unbinding,
    /// Giving it back, and waiting for the nodes.
    Binding,
}

/// Who is told of the steps as they begin.
pub trait Progress {
    /// `step` begins, and the one before has ended.
    fn step(&mut self, step: Step<'_>);
}

/// Nobody.
impl Progress for () {
    fn step(&mut self, _: Step<'_>) {}
}

impl<F: FnMut(Step<'_>)> Progress for F {
    fn step(&mut self, step: Step<'_>) {
        self(step);
    }
}

impl From<ledger::Error> for Warning {
    fn from(error: ledger::Error) -> Self {
        Self::Ledger { trouble: error.to_string() }
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Locking => "locking the card",
            Self::Waiting(Some(holder)) => return write!(f, "waiting for {holder}"),
            Self::Waiting(None) => "waiting for another process",
            Self::Verifying => "verifying",
            Self::Clearing => "clearing errors",
            Self::Clocking => "setting the user clock",
            Self::Programming(_) => "programming",
            Self::ReadingBack => "reading back",
            Self::Resetting => "resetting the port",
            Self::Unbinding => "unbinding the driver",
            Self::Binding => "binding the driver",
        })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ErrorsCleared { errors } => {
                write!(f, "errors of an earlier user were cleared: {errors}")
            }
            Self::ErrorsNotCleared { errors, errno } => {
                let reason = match errno {
                    Errno::EBUSY => "the card is switched off because of its temperature (AP6)",
                    other => other.desc(),
                };
                write!(f, "errors of an earlier user cannot be cleared: {errors}: {reason}")
            }
            Self::UserClock { clock, found } => {
                write!(f, "the image was loaded already, but its user clock of {clock} ")?;
                match found {
                    Some(found) => write!(f, "ran at {found}"),
                    None => f.write_str("did not run"),
                }
            }
            Self::TakenFromUsers(users) => {
                write!(f, "the port is in use by {}", super::holder::or_unknown(users))
            }
            Self::Ledger { trouble } => f.write_str(trouble),
            Self::NotReset => {
                f.write_str("the port was not reset: another process has it exclusively")
            }
            Self::NoDriver => f.write_str(
                "the port is assigned, but no driver took it, as Linux 6.1 leaves it: run `fpgactl recover`",
            ),
            Self::VirtualFunctionsLost(count) => {
                write!(f, "{count} virtual functions went with the driver: write their number to sriov_numvfs again")
            }
        }
    }
}
