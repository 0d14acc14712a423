//! Nobody uses the slot, and nobody starts to.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::time::{Duration, Instant};

use super::error::Problem;
use super::holder::{self, Holder};
use super::outcome::Warning;
use super::target::Target;
use crate::stack::{Cause, Device, Held, Sharing};

/// How long a user of the slot may take to leave it, and how often that is looked for.
const GRACE: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(10);

/// A slot that is kept from others until it is dropped. The driver resets it then, as after every
/// last user.
#[derive(Debug)]
pub(super) struct Claim {
    /// The opened slot; `None` when somebody keeps it from us and that was to be ignored.
    slot: Option<Box<dyn Held>>,
    users: Option<Vec<Holder>>,
}

/// Whether a slot may be taken from under its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Users {
    Refuse,
    Ignore,
}

impl Users {
    pub(super) fn of(ignore: bool) -> Self {
        if ignore { Self::Ignore } else { Self::Refuse }
    }
}

impl Claim {
    /// Takes the slot, and waits a moment for users that are just leaving: a process that was killed
    /// closes its files one after the other, and a tool may only look at the slot.
    pub(super) fn new(target: &Target, users: Users) -> Result<Self, Problem> {
        let start = Instant::now();
        loop {
            match Self::try_new(target, users) {
                Err(Problem::InUse(_)) if start.elapsed() < GRACE => std::thread::sleep(POLL),
                result => return result,
            }
        }
    }

    /// The kernel guards a real slot: opened exclusively, it has no other user
    /// (`dfl_feature_dev_use_begin`). A plain file in its place, as in a fake tree, has no such
    /// guard, so `/proc` is searched for who has it open.
    fn try_new(target: &Target, users: Users) -> Result<Self, Problem> {
        let (programmer, slot) = (target.programmer()?, &target.slot);
        let mut found = if is_guarded(slot) { Vec::new() } else { search(target)? };
        if found.is_empty() {
            match programmer.hold(slot, Sharing::Exclusive) {
                Ok(slot) => return Ok(Self { slot: Some(slot), users: None }),
                // That nobody is found is no reason to go on: the kernel does not tell who it is.
                Err(error) if error.cause() == Cause::Busy => {
                    found = search(target).unwrap_or_default()
                }
                Err(error) => return Err(error.into()),
            }
        }
        if users == Users::Refuse {
            return Err(Problem::InUse(found));
        }
        let slot = match programmer.hold(slot, Sharing::Shared) {
            Ok(slot) => Some(slot),
            Err(error) if error.cause() == Cause::Busy => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { slot, users: Some(found) })
    }

    /// Resets the slot and its function, unless another process keeps it from us.
    pub(super) fn reset(&self) -> Result<Option<Warning>, Problem> {
        match &self.slot {
            Some(slot) => Ok(slot.reset().map(|()| None)?),
            None => Ok(Some(Warning::NotReset)),
        }
    }

    /// That the slot was in use, when that was to be ignored.
    pub(super) fn warning(&self) -> Option<Warning> {
        self.users.clone().map(Warning::TakenFromUsers)
    }
}

/// Refuses a slot in use without opening it, which would reset it when it is closed again.
pub(super) fn check(target: &Target, users: Users) -> Result<Option<Warning>, Problem> {
    let found = search(target)?;
    match users {
        _ if found.is_empty() => Ok(None),
        Users::Refuse => Err(Problem::InUse(found)),
        Users::Ignore => Ok(Some(Warning::TakenFromUsers(found))),
    }
}

/// Who has the slot open. In a fake tree, who has the card's management node open too serves the tree:
/// no workload is given that node.
fn search(target: &Target) -> Result<Vec<Holder>, Problem> {
    let mut found = users(&target.slot)?;
    if !found.is_empty() && !is_guarded(&target.slot) {
        let servers = users(&target.card.device)?;
        found.retain(|holder| !servers.contains(holder));
    }
    Ok(found)
}

fn users(device: &Device) -> Result<Vec<Holder>, Problem> {
    holder::users(&device.node).map_err(|error| Problem::System {
        what: format!("{}: cannot look for its users", device.node.display()),
        error,
    })
}

fn is_guarded(slot: &Device) -> bool {
    fs::metadata(&slot.node).is_ok_and(|node| node.file_type().is_char_device())
}
