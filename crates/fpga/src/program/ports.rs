//! Verbs on a port other than programming: reset, release, assign.

use std::time::Duration;

use super::book::{Book, For};
use super::claim::{Claim, Users};
use super::error::{Context, Error, Problem};
use super::lock::CardLock;
use super::outcome::{Cleaned, Progress, Step, Warning};
use super::target::{Card, Target};
use super::{book, function, registers};
use crate::board::Function;
use crate::deadline::Deadline;
use crate::driver::Fme;
use crate::root::Root;
use crate::scan::scan;

/// What all verbs take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortOptions {
    /// For whom.
    pub purpose: For,
    /// How long to wait in all: for who holds the region, and for the card's lock.
    pub timeout: Duration,
    /// Go on though the port is in use.
    pub ignore_users: bool,
}

/// Clears a port's errors and resets it with its function. What runs there is lost; what is loaded stays.
///
/// # Errors
/// The region is held by somebody else, the port is in use, the card stays locked, or the driver refuses.
pub fn reset(
    target: &Target,
    options: &PortOptions,
    progress: &mut dyn Progress,
) -> Result<Cleaned, Error> {
    let run = |progress: &mut dyn Progress| -> Result<_, Problem> {
        let deadline = Deadline::after(options.timeout);
        let Some(mut book) = Book::open(target, &options.purpose, deadline, progress)? else {
            return Ok(Cleaned::NotOwned);
        };
        let mut warnings: Vec<_> = book.trouble.take().map(Warning::from).into_iter().collect();
        let users = if options.ignore_users { Users::Ignore } else { Users::Refuse };
        let claim = Claim::new(target, users)?;
        warnings.extend(claim.warning());
        let image = book.image(&function::read(target)?);
        let mut clean = || -> Result<(), Problem> {
            progress.step(Step::Clearing);
            warnings.extend(registers::clear(target)?);
            progress.step(Step::Resetting);
            warnings.extend(claim.reset()?);
            Ok(())
        };
        clean().inspect_err(|problem| book.failed(&options.purpose, problem))?;
        book.done(&options.purpose, image)?;
        Ok(Cleaned::Done(warnings))
    };
    run(progress).map_err(|problem| Context::target(target).error(problem))
}

/// Takes a port from the physical function, so that a virtual one can have it.
///
/// # Errors
/// Somebody holds the region; the port is in use, which the driver does not let anybody ignore, or released already.
pub fn release(
    target: &Target,
    lock_timeout: Duration,
    progress: &mut dyn Progress,
) -> Result<(), Error> {
    let run = |progress: &mut dyn Progress| -> Result<_, Problem> {
        progress.step(Step::Locking);
        let waiting = &mut |holder: Option<&_>| progress.step(Step::Waiting(holder));
        let _lock = CardLock::acquire(&target.card.fme.node, lock_timeout, waiting)?;
        book::refuse_held(target)?;
        let fme = Fme::open(&target.card.fme.node)?;
        // Dropped before the call: an open port cannot be released.
        drop(Claim::new(target, Users::Refuse)?);
        Ok(fme.port_release(target.port_id)?)
    };
    run(progress).map_err(|problem| Context::target(target).error(problem))
}

/// Gives port `port_id` of `card` back to the physical function.
///
/// Linux 6.1 registers the port again without a driver; that is [`Warning::NoDriver`].
///
/// # Errors
/// The port is not released, or there is none of this number.
pub fn assign(
    root: &Root,
    card: &Card,
    port_id: u32,
    lock_timeout: Duration,
    progress: &mut dyn Progress,
) -> Result<Option<Warning>, Error> {
    let run = |progress: &mut dyn Progress| -> Result<_, Problem> {
        progress.step(Step::Locking);
        let node = &card.fme.node;
        let waiting = &mut |holder: Option<&_>| progress.step(Step::Waiting(holder));
        let _lock = CardLock::acquire(node, lock_timeout, waiting)?;
        Ok(Fme::open(node)?.port_assign(port_id)?)
    };
    run(progress).map_err(|problem| {
        Context::place(format!("card {}, port {port_id}", card.address)).error(problem)
    })?;
    Ok((!is_driven(root, card, port_id)).then_some(Warning::NoDriver))
}

fn is_driven(root: &Root, card: &Card, port_id: u32) -> bool {
    let inventory = scan(root);
    let board = inventory.boards.iter().find(|board| board.pci.address == card.address);
    let port = board.and_then(|board| board.ports.iter().find(|port| port.id == port_id));
    port.is_some_and(|port| port.function != Function::Absent)
}
