//! Verbs on a port other than programming: reset, release, assign.

use std::time::Duration;

use super::claim::{Claim, Users};
use super::error::{Context, Error, Problem};
use super::lock::CardLock;
use super::outcome::{Progress, Step, Warning};
use super::target::{Management, Target};
use super::{procedure, registers};
use crate::card::Function;
use crate::driver::Fme;
use crate::root::Root;
use crate::scan::scan;

/// What all verbs take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortOptions {
    /// How long to wait for the card's lock.
    pub lock_timeout: Duration,
    /// Go on though the port is in use.
    pub ignore_users: bool,
}

/// Clears a port's errors and resets it with its function. What runs there is lost.
///
/// # Errors
/// The port is in use, the card stays locked, or the driver refuses.
pub fn reset(
    target: &Target,
    options: &PortOptions,
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

/// Takes a port from the physical function, so that a virtual one can have it.
///
/// # Errors
/// The port is in use, which the driver does not let anybody ignore, or released already.
pub fn release(
    target: &Target,
    lock_timeout: Duration,
    progress: &mut dyn Progress,
) -> Result<(), Error> {
    let run = |progress: &mut dyn Progress| -> Result<_, Problem> {
        let _lock = procedure::lock(target, lock_timeout, progress)?;
        let fme = Fme::open(&target.card.device.node)?;
        // Dropped before the call: an open port cannot be released.
        drop(Claim::new(target, Users::Refuse)?);
        Ok(fme.port_release(target.number)?)
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
    card: &Management,
    port_id: u32,
    lock_timeout: Duration,
    progress: &mut dyn Progress,
) -> Result<Option<Warning>, Error> {
    let run = |progress: &mut dyn Progress| -> Result<_, Problem> {
        progress.step(Step::Locking);
        let node = &card.device.node;
        let waiting = &mut |holder: Option<&_>| progress.step(Step::Waiting(holder));
        let _lock = CardLock::acquire(node, lock_timeout, waiting)?;
        Ok(Fme::open(node)?.port_assign(port_id)?)
    };
    run(progress).map_err(|problem| {
        Context::place(format!("card {}, port {port_id}", card.id)).error(problem)
    })?;
    Ok((!is_driven(root, card, port_id)).then_some(Warning::NoDriver))
}

fn is_driven(root: &Root, card: &Management, port_id: u32) -> bool {
    let inventory = scan(root);
    let mut slots = inventory.slots().filter(|(found, _)| found.id == card.id);
    let slot = slots.find(|(_, slot)| slot.number == port_id);
    slot.is_some_and(|(_, slot)| slot.function != Function::Absent)
}
