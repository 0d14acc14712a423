//! Verbs on a slot other than programming: reset, release, assign.

use std::time::Duration;

use super::claim::{Claim, Users};
use super::error::{Context, Error, Problem};
use super::lock::CardLock;
use super::outcome::{Progress, Step, Warning};
use super::target::{Target, programmer};
use super::{procedure, registers};
use crate::card::Function;
use crate::root::Root;
use crate::scan::scan;
use crate::stack::Management;

/// What all verbs take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotOptions {
    /// How long to wait for the card's lock.
    pub lock_timeout: Duration,
    /// Go on though the slot is in use.
    pub ignore_users: bool,
}

/// Clears a slot's errors and resets it with its function. What runs there is lost.
///
/// # Errors
/// The slot is in use, the card stays locked, or the driver refuses.
pub fn reset(
    target: &Target,
    options: &SlotOptions,
    progress: &mut dyn Progress,
) -> Result<Vec<Warning>, Error> {
    let run = |progress: &mut dyn Progress| -> Result<_, Problem> {
        let _lock = procedure::lock(target, options.lock_timeout, progress)?;
        let users = if options.ignore_users { Users::Ignore } else { Users::Refuse };
        let claim = Claim::new(target, users)?;
        let mut warnings = Vec::from_iter(claim.warning());
        progress.step(Step::Clearing);
        warnings.extend(registers::clear(target)?);
        progress.step(Step::Resetting);
        warnings.extend(claim.reset()?);
        Ok(warnings)
    };
    run(progress).map_err(|problem| Context::target(target).error(problem))
}

/// Takes a slot from the physical function, so that a virtual one can have it.
///
/// # Errors
/// The slot is in use, which the driver does not let anybody ignore, or released already.
pub fn release(
    target: &Target,
    lock_timeout: Duration,
    progress: &mut dyn Progress,
) -> Result<(), Error> {
    let run = |progress: &mut dyn Progress| -> Result<_, Problem> {
        let _lock = procedure::lock(target, lock_timeout, progress)?;
        let engine = target.programmer()?.open(&target.card)?;
        // Dropped before the call: an open slot cannot be released.
        drop(Claim::new(target, Users::Refuse)?);
        Ok(engine.release(target.number)?)
    };
    run(progress).map_err(|problem| Context::target(target).error(problem))
}

/// Gives slot `number` of `card` back to the physical function.
///
/// Linux 6.1 registers the slot again without a driver; that is [`Warning::NoDriver`].
///
/// # Errors
/// The slot is not released, or there is none of this number.
pub fn assign(
    root: &Root,
    card: &Management,
    number: u32,
    lock_timeout: Duration,
    progress: &mut dyn Progress,
) -> Result<Option<Warning>, Error> {
    let run = |progress: &mut dyn Progress| -> Result<_, Problem> {
        progress.step(Step::Locking);
        let node = &card.device.node;
        let waiting = &mut |holder: Option<&_>| progress.step(Step::Waiting(holder));
        let _lock = CardLock::acquire(node, lock_timeout, waiting)?;
        Ok(programmer(card)?.open(card)?.assign(number)?)
    };
    run(progress).map_err(|problem| {
        Context::place(format!("card {}, port {number}", card.id)).error(problem)
    })?;
    Ok((!is_driven(root, card, number)).then_some(Warning::NoDriver))
}

fn is_driven(root: &Root, card: &Management, number: u32) -> bool {
    let inventory = scan(root);
    let mut slots = inventory.slots().filter(|(found, _)| found.id == card.id);
    let slot = slots.find(|(_, slot)| slot.number == number);
    slot.is_some_and(|(_, slot)| slot.function != Function::Absent)
}
