//! Nobody uses the port, and nobody starts to.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::time::{Duration, Instant};

use super::error::Problem;
use super::holder::{self, Holder};
use super::outcome::Warning;
use super::target::{Device, Target};
use crate::driver::{self, Port};

/// How long a user of the port may take to leave it, and how often that is looked for.
const GRACE: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(10);

/// A port that is kept from others until it is dropped. The driver resets it then, as after every
/// last user.
#[derive(Debug)]
pub(super) struct Claim {
    /// The opened port; `None` when somebody keeps it from us and that was to be ignored.
    port: Option<Port>,
    users: Option<Vec<Holder>>,
}

/// Whether a port may be taken from under its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Users {
    Refuse,
    Ignore,
}

impl Claim {
    /// Takes the port, and waits a moment for users that are just leaving: a process that was killed
    /// closes its files one after the other, and a tool may only look at the port.
    pub(super) fn new(target: &Target, users: Users) -> Result<Self, Problem> {
        let start = Instant::now();
        loop {
            match Self::try_new(target, users) {
                Err(Problem::InUse(_)) if start.elapsed() < GRACE => std::thread::sleep(POLL),
                result => return result,
            }
        }
    }

    /// The kernel guards a real port: opened exclusively, it has no other user
    /// (`dfl_feature_dev_use_begin`). A plain file in its place, as in a fake tree, has no such
    /// guard, so `/proc` is searched for who has it open.
    fn try_new(target: &Target, users: Users) -> Result<Self, Problem> {
        let port = &target.slot;
        let mut found = if is_guarded(port) { Vec::new() } else { search(target)? };
        if found.is_empty() {
            match Port::open_exclusive(&port.node) {
                Ok(port) => return Ok(Self { port: Some(port), users: None }),
                // That nobody is found is no reason to go on: the kernel does not tell who it is.
                Err(error) if is_busy(&error) => found = search(target).unwrap_or_default(),
                Err(error) => return Err(error.into()),
            }
        }
        if users == Users::Refuse {
            return Err(Problem::InUse(found));
        }
        let port = match Port::open(&port.node) {
            Ok(port) => Some(port),
            Err(error) if is_busy(&error) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { port, users: Some(found) })
    }

    /// Resets the port and its function, unless another process keeps it from us.
    pub(super) fn reset(&self) -> Result<Option<Warning>, Problem> {
        match &self.port {
            Some(port) => Ok(port.reset().map(|()| None)?),
            None => Ok(Some(Warning::NotReset)),
        }
    }

    /// That the port was in use, when that was to be ignored.
    pub(super) fn warning(&self) -> Option<Warning> {
        self.users.clone().map(Warning::TakenFromUsers)
    }
}

/// Refuses a port in use without opening it, which would reset it when it is closed again.
pub(super) fn check(target: &Target, users: Users) -> Result<Option<Warning>, Problem> {
    let found = search(target)?;
    match users {
        _ if found.is_empty() => Ok(None),
        Users::Refuse => Err(Problem::InUse(found)),
        Users::Ignore => Ok(Some(Warning::TakenFromUsers(found))),
    }
}

/// Who has the port open. In a fake tree, who has the card's management node open too serves the tree:
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

fn is_busy(error: &driver::Error) -> bool {
    error.cause() == driver::Cause::Busy
}

fn is_guarded(port: &Device) -> bool {
    fs::metadata(&port.node).is_ok_and(|node| node.file_type().is_char_device())
}
