//! What is done to a node's regions for an owner: `prepare` before it starts, `clean` after its end. One procedure,
//! whoever asks for it.

use std::time::Duration;

use fpga::bitstream::Bitstream;
use fpga::card::Function;
use fpga::deadline::Deadline;
use fpga::id::{AfuId, DeviceId};
use fpga::ledger::{Entry, Owner};
use fpga::names::Use;
use fpga::program::{For, SlotOptions, Target};
use fpga::root::Root;
use fpga::store::Store;

use crate::bitstream;
use crate::blank::Blank;
use crate::cards::{Cards, Driver, Work};
use crate::failure::{Code, Failure};
use crate::plan::{self, Slot, Wish};
use crate::promise::Promise;
use crate::report::Report;

/// Work on a node's regions, all of it within one time.
pub struct Session<'a> {
    pub(crate) root: &'a Root,
    pub(crate) store: Store,
    pub(crate) deadline: Deadline,
    pub(crate) blank: &'a [Blank],
    pub(crate) cards: &'a dyn Cards,
}

impl<'a> Session<'a> {
    /// Work that may take `timeout` from now on, with the bitstreams in `store`. After an owner's end a region gets what
    /// `blank` has for its interface.
    #[must_use]
    pub fn new(root: &'a Root, store: Store, timeout: Duration, blank: &'a [Blank]) -> Self {
        Self { root, store, deadline: Deadline::after(timeout), blank, cards: &Driver }
    }

    /// Has each promise programmed into a slot of its own, and resets the slots that are for other uses. All of them
    /// are `owner`'s then. For an owner whose slots were prepared already nothing is done.
    ///
    /// # Errors
    /// The first thing that fails. Slots that were prepared before stay the owner's until [`Session::clean`].
    pub fn prepare(
        &self,
        owner: &Owner,
        promises: &[Promise],
        slots: Vec<Slot>,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let (regions, others): (Vec<Slot>, Vec<Slot>) =
            slots.into_iter().partition(|slot| slot.usage == Use::Region);
        if let Some(promise) = promises.iter().find(|promise| !plan::has_region(promise, &regions))
        {
            return Err(plan::no_slot(self.root, promise, &regions));
        }
        let images = self.images(promises)?;
        let jobs = self.jobs(promises, &images, &regions)?;
        for slot in &others {
            let target = slot.checked()?;
            let options = SlotOptions {
                purpose: For::Owner(owner.clone()),
                timeout: self.left(),
                forget_image: slot.usage == Use::Development,
                ..SlotOptions::default()
            };
            let work = self.cards.reset(target, options)?;
            report.worked(format_args!("{target}: {work}"), &work);
        }
        for (index, job) in jobs.iter().enumerate() {
            let what = job.name(index, jobs.len());
            let purpose = For::Owner(owner.clone());
            let work = self
                .cards
                .program(job.target, job.bitstream, purpose, self.left())
                .map_err(|failure| failure.of(&what))?;
            report.worked(format_args!("{what}: {}: {work}", job.target), &work);
        }
        verify(&jobs)
    }

    /// Cleans the regions that the ledger names as `owner`'s. A failure is reported, and the others are cleaned all
    /// the same.
    ///
    /// # Errors
    /// The ledger cannot be listed.
    pub fn clean(&self, owner: &Owner, report: &mut Report) -> Result<(), Failure> {
        let slots = self.slots_of(owner, report)?;
        for (index, slot) in slots.iter().enumerate() {
            // A card that is gone must not keep the others' regions from being cleaned.
            let cleaned = Target::by_id(self.root, *slot)
                .ok_or_else(|| Failure::new(Code::Gone, format!("region {slot}: its card is gone")))
                .and_then(|target| {
                    let timeout = self.deadline.share(slots.len() - index);
                    let work = self.clean_slot(&target, For::After(owner.clone()), timeout)?;
                    Ok((target, work))
                });
            match cleaned {
                Ok((target, work)) => report.worked(format_args!("{target}: {work}"), &work),
                Err(failure) => report.failure(&failure),
            }
        }
        Ok(())
    }

    /// Cleans a slot that nobody holds any more, as the kubelet knows: whoever the ledger names has ended. What fails
    /// is reported.
    pub fn clean_released(&self, target: &Target, report: &mut Report) {
        match self.clean_slot(target, For::released(target), self.left()) {
            Ok(work) => report.worked(format_args!("{target}: {work}"), &work),
            Err(failure) => report.failure(&failure.of(target)),
        }
    }

    /// What is left of the time.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.deadline.left()
    }

    /// The images in the store. Even a region that shows the function may hold another image, so the file is needed.
    fn images(&self, promises: &[Promise]) -> Result<Vec<Promised>, Failure> {
        let image = |promise: &Promise| {
            let found = bitstream::find(&self.store, promise.interface, promise.image);
            let bitstream = found.map_err(|failure| failure.of(promise.variable))?;
            let function = bitstream
                .afu_id()
                .map_err(|error| Failure::new(Code::Bitstream, error).of(promise.variable))?;
            Ok(Promised { bitstream, function })
        };
        promises.iter().map(image).collect()
    }

    /// Every promise gets a port, and every port a promise: one without would have in it what the last
    /// container left.
    fn jobs<'b>(
        &self,
        promises: &'b [Promise],
        images: &'b [Promised],
        slots: &'b [Slot],
    ) -> Result<Vec<Job<'b>>, Failure> {
        let wishes: Vec<Wish<'_>> = promises
            .iter()
            .zip(images)
            .map(|(promise, image)| Wish {
                interface: promise.interface,
                function: image.function,
                bitstream: &image.bitstream,
            })
            .collect();
        let assigned = plan::assign(&wishes, slots);
        let mut jobs = Vec::with_capacity(promises.len());
        for ((promise, image), index) in promises.iter().zip(images).zip(&assigned) {
            let slot = index.map(|index| &slots[index]);
            let slot = slot.ok_or_else(|| plan::no_slot(self.root, promise, slots))?;
            let Promised { bitstream, function } = image;
            jobs.push(Job { promise, bitstream, function: *function, target: slot.checked()? });
        }
        match plan::without_promise(&assigned, slots) {
            Some(slot) => Err(plan::no_promise(slot)),
            None => Ok(jobs),
        }
    }

    /// The owner's slots.
    fn slots_of(&self, owner: &Owner, report: &Report) -> Result<Vec<DeviceId>, Failure> {
        let ledger = self.root.ledger();
        let entries = ledger.entries().map_err(|error| {
            Failure::new(Code::Failed, format!("{}: {error}", ledger.directory().display()))
        })?;
        let is_owners =
            |entry: &Entry| entry.owner.as_ref().is_some_and(|other| other.is_named_as(owner));
        let mut slots = Vec::new();
        for (slot, entry) in entries {
            match entry {
                Ok(entry) if is_owners(&entry) => slots.push(slot),
                Ok(_) => {}
                // Whose it is, nobody can say. The next owner's preparation makes it anew.
                Err(error) => report.done(error),
            }
        }
        Ok(slots)
    }

    fn clean_slot(
        &self,
        target: &Target,
        purpose: For,
        timeout: Duration,
    ) -> Result<Work, Failure> {
        let reset = |purpose| {
            let options = SlotOptions { purpose, timeout, ..SlotOptions::default() };
            self.cards.reset(target, options)
        };
        let mut blanks = self.blank.iter();
        let blank = blanks.find(|blank| target.interface_id == Some(blank.interface));
        let Some(blank) = blank else { return reset(purpose) };
        match bitstream::find(&self.store, blank.interface, blank.image) {
            Ok(bitstream) => self.cards.program(target, &bitstream, purpose, timeout),
            // Without the blank image a reset is still better than nothing.
            Err(failure) => {
                reset(purpose)?;
                Err(failure.of(target).but("only reset"))
            }
        }
    }
}

/// What each promise is fulfilled with.
struct Promised {
    bitstream: Bitstream,
    /// What the region will show.
    function: AfuId,
}

/// A promise and its port.
struct Job<'a> {
    promise: &'a Promise,
    bitstream: &'a Bitstream,
    function: AfuId,
    target: &'a Target,
}

impl Job<'_> {
    /// As failures call it.
    fn name(&self, index: usize, count: usize) -> String {
        format!("{} ({} of {count})", self.promise.variable, index + 1)
    }
}

/// Looks at all regions again, because somebody may have programmed the first while the last was under
/// way.
fn verify(jobs: &[Job<'_>]) -> Result<(), Failure> {
    for (index, job) in jobs.iter().enumerate() {
        let found = job.target.function();
        if found != (Function::Loaded { afu_id: job.function }) {
            let failure = Failure::new(
                Code::Programming,
                format!(
                    "{}: the region no longer shows the function that it showed a moment ago: wanted function {}, found {}",
                    job.target, job.promise.image, found
                ),
            );
            return Err(failure.of(job.name(index, jobs.len())));
        }
    }
    Ok(())
}
