//! Before a container starts: each of its ports is cleaned and gets the function it was promised.

use fpga::bitstream::Bitstream;
use fpga::card::Function;
use fpga::id::AfuId;
use fpga::ledger::Owner;
use fpga::program::{For, Target};

use crate::failure::{Code, Failure};
use crate::input::{self, Config, State};
use crate::plan::{self, Slot, Wish};
use crate::promise::{self, Promise};
use crate::report::Report;
use crate::run::Hook;
use crate::{bitstream, permission};

pub(crate) fn run(
    hook: &Hook<'_>,
    state: &State,
    config: &Config,
    report: &mut Report,
) -> Result<(), Failure> {
    let promises = promise::promises(&config.env)?;
    if promises.is_empty() && config.devices.is_empty() {
        return Ok(());
    }
    let slots = plan::slots(hook.root, &config.devices);
    if promises.is_empty() && slots.is_empty() {
        return Ok(());
    }
    if state.id.is_empty() {
        return Err(Failure::new(Code::Input, "standard input: the OCI state has no `id`"));
    }
    let annotations: Vec<_> = state.annotations.iter().chain([&config.annotations]).collect();
    permission::check(hook, &promises, &annotations)?;
    if let Some(promise) = promises.iter().find(|promise| !plan::has_region(promise, &slots)) {
        return Err(plan::no_slot(hook.root, promise, &slots));
    }
    let owner = Owner { pod: input::pod(&annotations), ..state.owner() };
    let images = images(hook, &promises)?;
    let jobs = jobs(hook, &promises, &images, &slots)?;
    for (index, job) in jobs.iter().enumerate() {
        let what = job.name(index, jobs.len());
        let purpose = For::Owner(owner.clone());
        let work = hook
            .cards
            .program(job.target, job.bitstream, purpose, hook.deadline.left())
            .map_err(|failure| failure.of(&what))?;
        report.worked(format_args!("{what}: {}: {work}", job.target), &work);
    }
    verify(&jobs)
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

/// Every promise gets a port, and every port a promise: one without would have in it what the last
/// container left.
fn jobs<'a>(
    hook: &Hook<'_>,
    promises: &'a [Promise],
    images: &'a [Promised],
    slots: &'a [Slot],
) -> Result<Vec<Job<'a>>, Failure> {
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
        let slot = slot.ok_or_else(|| plan::no_slot(hook.root, promise, slots))?;
        let Promised { bitstream, function } = image;
        jobs.push(Job { promise, bitstream, function: *function, target: slot.checked()? });
    }
    match plan::without_promise(&assigned, slots) {
        Some(slot) => Err(plan::no_promise(slot)),
        None => Ok(jobs),
    }
}

/// The images in the store. Even a region that shows the function may hold another image, so the file is needed.
fn images(hook: &Hook<'_>, promises: &[Promise]) -> Result<Vec<Promised>, Failure> {
    let image = |promise: &Promise| {
        let found = bitstream::find(&hook.store, promise.interface, promise.image);
        let bitstream = found.map_err(|failure| failure.of(promise.variable))?;
        let function = bitstream
            .afu_id()
            .map_err(|error| Failure::new(Code::Bitstream, error).of(promise.variable))?;
        Ok(Promised { bitstream, function })
    };
    promises.iter().map(image).collect()
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
