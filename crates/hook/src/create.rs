//! Before a container starts: each of its ports is cleaned and gets the function it was promised.

use fpga::card::Function;
use fpga::id::AfuId;
use fpga::program::Target;

use crate::cards::{Reprogram, Work};
use crate::failure::{Code, Failure};
use crate::input::{Annotations, Config, State};
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
    let annotations = state.annotations.iter().chain([&config.annotations]);
    permission::check(hook, &promises, &annotations.collect::<Vec<&Annotations>>())?;
    let jobs = jobs(hook, &promises, &slots)?;
    for (index, job) in jobs.iter().enumerate() {
        let what = job.name(index, jobs.len());
        let outcome = job.run(hook).map_err(|failure| failure.of(&what))?;
        report.worked(format_args!("{what}: {}: {outcome}", job.target), outcome.programmed);
    }
    verify(&jobs)
}

/// A promise and its port.
struct Job<'a> {
    promise: &'a Promise,
    /// What the region will show.
    function: AfuId,
    /// True when it does already.
    is_loaded: bool,
    /// What it shows now.
    found: &'a Function,
    target: &'a Target,
}

/// Every promise gets a port, and every port a promise: one without would have in it what the last
/// container left.
fn jobs<'a>(
    hook: &Hook<'_>,
    promises: &'a [Promise],
    slots: &'a [Slot],
) -> Result<Vec<Job<'a>>, Failure> {
    let functions = functions(hook, promises)?;
    let wishes: Vec<Wish> = promises
        .iter()
        .zip(&functions)
        .map(|(promise, function)| Wish { interface: promise.interface, function: Some(*function) })
        .collect();
    let assigned = plan::assign(&wishes, slots);
    let mut jobs = Vec::with_capacity(promises.len());
    for ((promise, function), index) in promises.iter().zip(functions).zip(&assigned) {
        let slot = index.map(|index| &slots[index]);
        let slot = slot.ok_or_else(|| plan::no_slot(hook.root, promise, slots))?;
        let target = slot.checked()?;
        let is_loaded = slot.afu_id() == Some(function)
            && bitstream::is_certain(&hook.store, promise.interface, promise.image, function);
        jobs.push(Job { promise, function, is_loaded, found: &slot.function, target });
    }
    match plan::without_promise(&assigned, slots) {
        Some(slot) => Err(plan::no_promise(slot)),
        None => Ok(jobs),
    }
}

/// What the regions will show.
fn functions(hook: &Hook<'_>, promises: &[Promise]) -> Result<Vec<AfuId>, Failure> {
    let function = |promise: &Promise| {
        bitstream::function(&hook.store, promise.interface, promise.image)
            .map_err(|failure| failure.of(promise.variable))
    };
    promises.iter().map(function).collect()
}

impl Job<'_> {
    /// As failures call it.
    fn name(&self, index: usize, count: usize) -> String {
        format!("{} ({} of {count})", self.promise.variable, index + 1)
    }

    fn run(&self, hook: &Hook<'_>) -> Result<Work, Failure> {
        let timeout = hook.deadline.left();
        if self.is_loaded {
            return hook.cards.reset(self.target, timeout).map_err(|failure| self.explain(failure));
        }
        let Promise { interface, image, .. } = *self.promise;
        let bitstream = bitstream::find(&hook.store, interface, image)
            .map_err(|f| self.explain(f.of(self.target)))?;
        hook.cards.program(self.target, &bitstream, Reprogram::unless_shown(image), timeout)
    }

    fn explain(&self, failure: Failure) -> Failure {
        failure.but(format_args!("wanted function {}, found {}", self.promise.image, self.found))
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
