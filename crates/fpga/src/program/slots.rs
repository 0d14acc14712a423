//! Verbs on a slot other than programming: reset, release, assign.

use std::time::Duration;

use super::book::{Book, For};
use super::claim::{Claim, Users};
use super::error::{Context, Error, Problem};
use super::outcome::{Cleaned, Progress, Warning};
use super::target::{Target, programmer};
use super::{LOCK_TIMEOUT, book, function, lock};
use crate::card::Function;
use crate::deadline::Deadline;
use crate::root::Root;
use crate::scan::scan;
use crate::stack::Management;

/// What all verbs take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotOptions {
    /// For whom.
    pub purpose: For,
    /// How long to wait in all: for who holds the region, and for the card's lock.
    pub timeout: Duration,
    /// Go on though the slot is in use.
    pub ignore_users: bool,
    /// Forget which image is loaded: whoever gets the slot may load another one behind everybody's back.
    pub forget_image: bool,
}

impl Default for SlotOptions {
    fn default() -> Self {
        Self {
            purpose: For::Nobody,
            timeout: LOCK_TIMEOUT,
            ignore_users: false,
            forget_image: false,
        }
    }
}

/// Clears a slot's errors and resets it with its function. What runs there is lost; what is loaded stays. For an
/// owner whose slot was prepared already nothing is done.
///
/// # Errors
/// The region is held by somebody else, the slot is in use, the card stays locked, or the driver refuses.
pub fn reset(
    target: &Target,
    options: &SlotOptions,
    progress: &mut dyn Progress,
) -> Result<Cleaned, Error> {
    let run = |progress: &mut dyn Progress| -> Result<_, Problem> {
        let deadline = Deadline::after(options.timeout);
        let Some(mut book) = Book::open(target, &options.purpose, deadline, progress)? else {
            return Ok(Cleaned::NotOwned);
        };
        let mut warnings: Vec<_> = book.trouble.take().map(Warning::from).into_iter().collect();
        if book.is_prepared_for(&options.purpose) {
            return Ok(Cleaned::AlreadyPrepared);
        }
        if options.forget_image {
            book.forget_image();
        }
        let users = Users::of(options.ignore_users);
        let shown = function::read(target)?;
        warnings.extend(book.clean(&options.purpose, users, &shown, progress)?);
        Ok(Cleaned::Done(warnings))
    };
    run(progress).map_err(|problem| Context::target(target).error(problem))
}

/// Takes a slot from the physical function, so that a virtual one can have it.
///
/// # Errors
/// Somebody holds the region; the slot is in use, which the driver does not let anybody ignore, or released already.
pub fn release(
    target: &Target,
    lock_timeout: Duration,
    progress: &mut dyn Progress,
) -> Result<(), Error> {
    let run = |progress: &mut dyn Progress| -> Result<_, Problem> {
        let lock = lock::lock(&target.card, lock_timeout, progress)?;
        book::refuse_held(target)?;
        // Dropped before the call: an open slot cannot be released.
        drop(Claim::new(target, Users::Refuse)?);
        let engine = target.programmer()?.open(&target.card)?;
        let released = engine.release(target.number);
        target.ledger().closing(&lock, &target.card, engine);
        Ok(released?)
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
        let lock = lock::lock(card, lock_timeout, progress)?;
        let engine = programmer(card)?.open(card)?;
        let assigned = engine.assign(number);
        root.ledger().closing(&lock, card, engine);
        Ok(assigned?)
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
