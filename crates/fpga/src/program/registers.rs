//! Errors that a slot or a card has latched, and their clearing.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

use super::error::Problem;
use super::lock::{self, LockError};
use super::outcome::{Progress, Step, Warning};
use super::target::Target;
use crate::errors::ErrorRegister;
use crate::stack::Management;
use crate::sysfs;

/// What became of an error register of a card.
#[derive(Debug)]
pub enum Cleared {
    /// It was cleared.
    Yes,
    /// It cannot be written: it shows what other registers or the card's condition make it show.
    Follows,
    /// It has what it had.
    No {
        /// What could not be written.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

/// Clears error registers of a card as a whole, each for itself, under the card's lock. Those of a slot are
/// cleared by [`super::reset`].
///
/// # Errors
/// The card stays locked.
pub fn clear_errors(
    card: &Management,
    registers: &[ErrorRegister],
    lock_timeout: Duration,
    progress: &mut dyn Progress,
) -> Result<Vec<Cleared>, LockError> {
    let _lock = lock::lock(card, lock_timeout, progress)?;
    progress.step(Step::Clearing);
    let clear = |register: &ErrorRegister| {
        let programmer = card.driver.stack().programmer();
        let Some(path) = programmer.and_then(|it| it.clearing(card, None, &register.name)) else {
            return Cleared::Follows;
        };
        match write(&path, register) {
            Ok(()) => Cleared::Yes,
            Err(errno) => Cleared::No { path, error: errno.into() },
        }
    };
    Ok(registers.iter().map(clear).collect())
}

/// Clears what earlier users left in the slot's error register, so that errors afterwards are new. The card's
/// registers stay: they are not the user's.
pub(super) fn clear(target: &Target) -> Result<Option<Warning>, Problem> {
    let programmer = target.programmer()?;
    let Some(register) = programmer.latched(&target.slot)? else { return Ok(None) };
    let Some(path) = programmer.clearing(&target.card, Some(&target.slot), &register.name) else {
        return Ok(None);
    };
    let errors = register.words();
    Ok(Some(match write(&path, &register) {
        Ok(()) => Warning::ErrorsCleared { errors },
        Err(errno) => Warning::ErrorsNotCleared { errors, errno },
    }))
}

/// Bits are cleared by writing them.
fn write(path: &Path, register: &ErrorRegister) -> Result<(), Errno> {
    sysfs::write(path, format!("{:#x}", register.value))
}
