//! The ledger's part in a procedure: for whom it is, whether the region is free for that, what is written.

use std::time::Duration;

use super::claim::{Claim, Users};
use super::error::Problem;
use super::image::Image;
use super::lock::{self, CardLock};
use super::outcome::{Progress, Step, Warning};
use super::registers;
use super::target::Target;
use crate::card::Function;
use crate::deadline::Deadline;
use crate::ledger::{self, Binding, Entry, Fingerprint, Moment, Owner, State};
use crate::stack::Engine;

/// How long the holder of a region is waited for: a container that is ending has a moment for it.
const GRACE: Duration = Duration::from_secs(2);
/// Interval at which a holder is checked: the end of an owner without a process is not reported.
const POLL: Duration = Duration::from_millis(20);

/// For whom a region is programmed or reset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum For {
    /// It becomes this owner's.
    Owner(Owner),
    /// This owner has ended, and the region gets clean. Where it is not this owner's, nothing is touched.
    After(Owner),
    /// It is nobody's and stays so: one that somebody holds is refused.
    #[default]
    Nobody,
    /// Whoever holds it loses what it has there, and continues to hold it.
    Anybody,
}

impl For {
    /// To clean a region that nobody holds any more, as the kubelet knows: whoever the ledger names now has ended.
    #[must_use]
    pub fn released(target: &Target) -> Self {
        target.entry().and_then(|entry| entry.owner).map_or(Self::Nobody, Self::After)
    }
}

/// A region's entry in the ledger, with the card locked.
pub(super) struct Book<'a> {
    target: &'a Target,
    lock: CardLock,
    entry: Option<Entry>,
    /// Why nothing is known, where there is an entry that says nothing.
    pub(super) trouble: Option<ledger::Error>,
    binding: Binding,
}

impl<'a> Book<'a> {
    /// Locks the card of `target` when the region is free for `purpose`. `None` when the purpose is to clean
    /// after an owner who does not have it.
    pub(super) fn open(
        target: &'a Target,
        purpose: &For,
        deadline: Deadline,
        progress: &mut dyn Progress,
    ) -> Result<Option<Self>, Problem> {
        progress.step(Step::Locking);
        let patience = Deadline::after(GRACE.min(deadline.left()));
        loop {
            let lock = lock::acquire(&target.card, deadline.left(), progress)?;
            let book = Self::read(target, lock);
            let owner = book.entry.as_ref().and_then(|entry| entry.owner.as_ref());
            if let For::After(ended) = purpose {
                return Ok(owner.is_some_and(|owner| owner.is_named_as(ended)).then_some(book));
            }
            let Some(holder) = book.holder_other_than(purpose) else { return Ok(Some(book)) };
            if patience.left().is_zero() {
                return Err(Problem::Held(holder.clone()));
            }
            // Not with the lock: it may be what the holder's end waits for.
            drop(book);
            std::thread::sleep(POLL);
        }
    }

    fn read(target: &'a Target, lock: CardLock) -> Self {
        let (entry, trouble) = match target.ledger().read(target.id()) {
            Ok(entry) => (entry, None),
            Err(error) => (None, Some(error)),
        };
        Self { target, lock, entry, trouble, binding: target.binding() }
    }

    fn holder_other_than(&self, purpose: &For) -> Option<&Owner> {
        let holder = self.entry.as_ref()?.holder()?;
        match purpose {
            For::Owner(owner) => (holder != owner).then_some(holder),
            For::Nobody => Some(holder),
            For::Anybody | For::After(_) => None,
        }
    }

    /// True when the region was prepared for this purpose's owner, and since then nothing else was done.
    pub(super) fn is_prepared_for(&self, purpose: &For) -> bool {
        let For::Owner(owner) = purpose else { return false };
        let of = |entry: &Entry| {
            let is_same = entry.owner.as_ref() == Some(owner) && entry.binding == self.binding;
            is_same && entry.state == State::Owned
        };
        self.entry.as_ref().is_some_and(of)
    }

    /// True when it is certain that `image` is in the region, which shows `shown`.
    pub(super) fn holds(&self, image: &Image<'_>, shown: &Function) -> Result<bool, Problem> {
        let known = self.entry.as_ref().and_then(|entry| entry.image(&self.binding, shown));
        match known {
            // The cheapest comparison first: nothing is read of a file of another function.
            Some(known) if known.afu_id == image.afu_id => {
                image.bitstream.map_or(Ok(false), |bitstream| Ok(known.is_from(bitstream)?))
            }
            _ => Ok(false),
        }
    }

    /// Nothing is certain until the next [`Book::done`].
    pub(super) fn begin(&mut self, purpose: &For) -> Result<(), Problem> {
        let owner = self.owner(purpose);
        self.write(Entry::new(State::Programming, None, owner, self.binding.clone()))
    }

    /// The image is in the region, or what was there before; the region is ready.
    pub(super) fn done(
        &mut self,
        purpose: &For,
        image: Option<ledger::Image>,
    ) -> Result<(), Problem> {
        let owner = match purpose {
            For::After(_) => None,
            _ => self.owner(purpose),
        };
        let state = if owner.is_some() { State::Owned } else { State::Clean };
        self.write(Entry::new(state, image, owner, self.binding.clone()))
    }

    /// Something was touched and is not ready. An owner who never got it does not have it.
    pub(super) fn failed(&mut self, purpose: &For, problem: &Problem) {
        let owner = match purpose {
            For::Owner(_) => None,
            _ => self.owner(purpose),
        };
        let mut entry = Entry::new(State::Failed, None, owner, self.binding.clone());
        entry.reason = Some(problem.to_string());
        // What failed is what the caller is told; an entry that stays at `programming` says nothing certain
        // either.
        let _ = self.write(entry);
    }

    /// Clears the errors of the slot and resets it with what is in it, which shows `shown`. What is known of that
    /// stays known.
    pub(super) fn clean(
        &mut self,
        purpose: &For,
        users: Users,
        shown: &Function,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Warning>, Problem> {
        let claim = Claim::new(self.target, users)?;
        let image = self.entry.as_ref().and_then(|entry| entry.image(&self.binding, shown));
        let image = image.cloned();
        let mut warnings = Vec::from_iter(claim.warning());
        let mut clean = || -> Result<(), Problem> {
            progress.step(Step::Clearing);
            warnings.extend(registers::clear(self.target)?);
            progress.step(Step::Resetting);
            warnings.extend(claim.reset()?);
            Ok(())
        };
        clean().inspect_err(|problem| self.failed(purpose, problem))?;
        self.done(purpose, image)?;
        Ok(warnings)
    }

    /// Closes the card before the next entry is written: whoever watches must not take it for somebody else.
    pub(super) fn close(&self, engine: Box<dyn Engine>) {
        self.target.ledger().closing(&self.lock, &self.target.card, engine);
    }

    /// What is known of the image is not taken over into the next entry.
    pub(super) fn forget_image(&mut self) {
        if let Some(entry) = &mut self.entry {
            entry.image = None;
        }
    }

    /// Whose it is while it is worked on.
    fn owner(&self, purpose: &For) -> Option<Owner> {
        match purpose {
            For::Owner(owner) | For::After(owner) => Some(owner.clone()),
            For::Nobody => None,
            For::Anybody => self.entry.as_ref()?.holder().cloned(),
        }
    }

    fn write(&mut self, entry: Entry) -> Result<(), Problem> {
        self.target.ledger().write(&self.lock, self.target.id(), &entry)?;
        self.entry = Some(entry);
        Ok(())
    }
}

/// Refuses a region that somebody holds.
pub(super) fn refuse_held(target: &Target) -> Result<(), Problem> {
    let entry = target.entry();
    match entry.as_ref().and_then(Entry::holder) {
        Some(holder) => Err(Problem::Held(holder.clone())),
        None => Ok(()),
    }
}

impl Image<'_> {
    /// What the ledger says of it once it is loaded, which begins now. Reads the whole file.
    pub(super) fn entry(&self) -> Result<Option<ledger::Image>, Problem> {
        let Some(bitstream) = self.bitstream else { return Ok(None) };
        let Fingerprint { identity, digest } = bitstream.fingerprint()?;
        Ok(Some(ledger::Image {
            interface_id: self.interface_id,
            afu_id: self.afu_id,
            digest,
            file: Some(identity),
            loaded: Moment::now(),
        }))
    }
}
