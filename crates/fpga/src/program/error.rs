//! What can go wrong, in one line that says where, what, and with which file.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;

use super::holder::{self, Holder};
use super::image::UserClock;
use super::lock::LockError;
use super::target::Target;
use crate::bitstream;
use crate::card::Function;
use crate::id::{AfuId, InterfaceId};
use crate::ledger::{self, Owner};
use crate::stack::{self, Management};

/// A procedure that did not end as asked.
#[derive(Debug)]
pub struct Error {
    context: Box<Context>,
    problem: Problem,
}

/// What kind of trouble an [`Error`] is, for exit codes and retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The image cannot go into this region, or is not the function that was asked for. Nothing was
    /// touched.
    Incompatible,
    /// Somebody else programs the card. Nothing was touched.
    Locked,
    /// Somebody uses the port or holds the region. Nothing was touched.
    InUse,
    /// The region is disabled since a programming that failed, until the driver is bound again.
    Disabled,
    /// The card or the driver refused the image or its clock; the region has the function that it had.
    Failed,
    /// The region has another function now than it should.
    Mismatch,
    /// The caller may not do it.
    Denied,
    /// The device is not there, or no driver is behind it.
    Gone,
    /// Anything else.
    Other,
}

/// What went wrong at one step; [`Error`] adds where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is nothing behind the port that could be programmed.
    #[error("the card has no region behind this port that can be programmed")]
    NotReconfigurable,
    /// The driver does not tell which images fit.
    #[error("the driver does not tell the region's interface id, so no image can be matched to it")]
    UnknownInterface,
    /// The image is for another kind of region.
    #[error("the image is for interface {image}, and the region's is {region}")]
    WrongInterface {
        /// The image's interface id.
        image: InterfaceId,
        /// The region's.
        region: InterfaceId,
    },
    /// The image holds another function than the one asked for.
    #[error("the image holds function {image}")]
    WrongFunction {
        /// The image's function.
        image: AfuId,
    },
    /// The slot cannot have the clock that the image asks for.
    #[error("the image asks for a user clock of {clock}, which this port cannot have: {reason}")]
    NoUserClock {
        /// The clock.
        clock: UserClock,
        /// Why not.
        reason: String,
    },
    /// The clock that the image asks for was not set.
    #[error("the user clock of {clock} that the image asks for could not be set: {reason}")]
    UserClock {
        /// The clock.
        clock: UserClock,
        /// What went wrong.
        reason: String,
    },
    /// The card is locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The port is in use.
    #[error("the port is in use by {}", holder::or_unknown(.0))]
    InUse(Vec<Holder>),
    /// Somebody holds the region, whether they use it at the moment or not.
    #[error("the region is held by {0}")]
    Held(Owner),
    /// What is done cannot be noted.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The image's file cannot be read.
    #[error(transparent)]
    Image(#[from] bitstream::Error),
    /// The card has virtual functions, which would go.
    #[error("{0} virtual functions are enabled on the card and would be lost")]
    VirtualFunctions(u32),
    /// The region was left disabled by a programming that failed.
    #[error(
        "the region is disabled since a programming that failed, until its driver is bound again: run `fpgactl recover`"
    )]
    Disabled,
    /// Somebody programs the card without taking the lock.
    #[error("the region is being programmed by somebody who does not take the card's lock ({})", path.display())]
    Foreign {
        /// The management node that is the lock.
        path: PathBuf,
    },
    /// No driver is bound to the port.
    #[error("no driver is bound to the port: run `fpgactl recover`")]
    NoDriver,
    /// What is loaded in the region cannot be read back.
    #[error(
        "the port shows no function id (afu_id), as with OFS: what is loaded could not be read back, so nothing is programmed"
    )]
    Anonymous,
    /// The driver refused a call, or an attribute cannot be read or written.
    #[error(transparent)]
    Driver(#[from] stack::Error),
    /// The driver or the card refused the image.
    #[error("{error}{}", joined(details))]
    Failed {
        /// The driver's answer.
        error: stack::Error,
        /// What the manager and the error registers say, each a clause.
        details: Vec<String>,
        /// True when the region is disabled since.
        is_disabled: bool,
    },
    /// The region has another function than the image.
    #[error("programming succeeded, but the region shows another function")]
    Mismatch,
    /// The system refused something else.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// The reason.
        error: std::io::Error,
    },
    /// The card did not come back.
    #[error("the card did not come back within {:.1} s: {missing}", waited.as_secs_f64())]
    NotBack {
        /// How long it was waited for.
        waited: Duration,
        /// What is still missing.
        missing: String,
    },
}

/// Where it happened, and with what.
#[derive(Debug, Clone)]
pub(super) struct Context {
    place: String,
    file: Option<String>,
    wanted: Option<AfuId>,
    found: Option<Function>,
}

impl Context {
    pub(super) fn card(card: &Management) -> Self {
        Self { place: card.to_string(), file: None, wanted: None, found: None }
    }

    pub(super) fn target(target: &Target) -> Self {
        Self { place: target.to_string(), file: None, wanted: None, found: None }
    }

    pub(super) fn image(target: &Target, file: &str, wanted: AfuId) -> Self {
        Self { file: Some(file.to_owned()), wanted: Some(wanted), ..Self::target(target) }
    }

    pub(super) fn place(place: String) -> Self {
        Self { place, file: None, wanted: None, found: None }
    }

    /// What the region was last seen to hold.
    pub(super) fn found(&mut self, function: Function) {
        self.found = Some(function);
    }

    pub(super) fn error(&self, problem: impl Into<Problem>) -> Error {
        Error { context: Box::new(self.clone()), problem: problem.into() }
    }
}

impl Error {
    /// The kind of trouble.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match &self.problem {
            Problem::NotReconfigurable
            | Problem::Anonymous
            | Problem::UnknownInterface
            | Problem::NoUserClock { .. }
            | Problem::WrongInterface { .. }
            | Problem::WrongFunction { .. } => Cause::Incompatible,
            Problem::Lock(LockError::Timeout { .. }) | Problem::Foreign { .. } => Cause::Locked,
            Problem::Lock(LockError::Io { cause, .. }) | Problem::System { error: cause, .. } => {
                of_errno(crate::sysfs::errno(cause))
            }
            Problem::InUse(_) | Problem::Held(_) | Problem::VirtualFunctions(_) => Cause::InUse,
            Problem::Ledger(error) => of_errno(crate::sysfs::errno(&error.cause)),
            Problem::Image(_) => Cause::Other,
            Problem::UserClock { .. } => Cause::Failed,
            Problem::Disabled | Problem::Failed { is_disabled: true, .. } => Cause::Disabled,
            Problem::NoDriver | Problem::NotBack { .. } => Cause::Gone,
            Problem::Driver(error) => of_cause(error.cause()),
            // Who may not program, or has lost the card, has not failed at the image.
            Problem::Failed { error, .. } => match of_cause(error.cause()) {
                cause @ (Cause::Denied | Cause::Gone) => cause,
                _ => Cause::Failed,
            },
            Problem::Mismatch => Cause::Mismatch,
        }
    }

    /// The step's own trouble.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The function that was asked for.
    #[must_use]
    pub fn wanted(&self) -> Option<AfuId> {
        self.context.wanted
    }

    /// What the region was last seen to hold, if it got that far.
    #[must_use]
    pub fn found(&self) -> Option<&Function> {
        self.context.found.as_ref()
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Context { place, file, wanted, found } = &*self.context;
        write!(f, "{place}: {}", self.problem)?;
        if let Some(wanted) = wanted {
            write!(f, ": wanted function {wanted}")?;
        }
        if let Some(found) = found {
            write!(f, ", found {found}")?;
        }
        match file {
            Some(file) => write!(f, ", file {file}"),
            None => Ok(()),
        }
    }
}

fn joined(details: &[String]) -> String {
    details.iter().map(|detail| format!("; {detail}")).collect()
}

fn of_cause(cause: stack::Cause) -> Cause {
    match cause {
        stack::Cause::Busy => Cause::InUse,
        stack::Cause::Gone => Cause::Gone,
        stack::Cause::Denied => Cause::Denied,
        stack::Cause::Other => Cause::Other,
    }
}

fn of_errno(errno: Errno) -> Cause {
    of_cause(stack::Cause::of(errno))
}
