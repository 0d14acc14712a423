//! Before a container starts: each of its ports is cleaned and gets the function it was promised.

use fpga::board::{Function, Inventory, Port};
use fpga::id::AfuId;
use fpga::program::{Target, port_by_name};
use fpga::scan::scan;

use super::annotations::Annotations;
use super::config::Config;
use super::failure::{Code, Failure};
use super::plan::{self, Slot, Wish};
use super::promise::{self, Promise};
use super::report::Report;
use super::state::State;
use super::work::Reprogram;
use super::{Hook, bitstream, permission, work};

pub(super) fn run(
    hook: &Hook<'_>,
    state: &State,
    config: &Config,
    report: &mut Report,
) -> Result<(), Failure> {
    let promises = promise::promises(&config.env)?;
    if promises.is_empty() && config.devices.is_empty() {
        return Ok(());
    }
    let inventory = scan(hook.root);
    let slots = plan::slots(&inventory, &config.devices);
    if promises.is_empty() && slots.is_empty() {
        return Ok(());
    }
    let annotations = state.annotations.iter().chain([&config.annotations]);
    permission::check(hook, &promises, &annotations.collect::<Vec<&Annotations>>())?;
    let jobs = jobs(hook, &inventory, &promises, &slots)?;
    for (index, job) in jobs.iter().enumerate() {
        let what = job.name(index, jobs.len());
        let outcome = job.run(hook).map_err(|failure| failure.of(&what))?;
        report.done(format_args!("{what}: {}: {outcome}", job.target));
    }
    verify(hook, &jobs)
}

/// A promise and its port.
struct Job<'a> {
    promise: &'a Promise,
    /// What the region will show.
    function: AfuId,
    /// True when it does already.
    is_loaded: bool,
    /// What it shows now, in words.
    found: String,
    target: Target,
}

/// Every promise gets a port, and every port a promise: one without would have in it what the last
/// container left.
fn jobs<'a>(
    hook: &Hook<'_>,
    inventory: &Inventory,
    promises: &'a [Promise],
    slots: &[Slot<'_>],
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
        let slot = slot.ok_or_else(|| plan::no_port(promise, slots, inventory))?;
        let target = slot.target(hook.root)?;
        let is_loaded = slot.port.afu_id() == Some(function)
            && bitstream::is_certain(&hook.store, promise.interface, promise.image, function);
        let found = found(Some(slot.port));
        jobs.push(Job { promise, function, is_loaded, found, target });
    }
    match plan::without_promise(&assigned, slots) {
        Some(slot) => Err(plan::no_promise(hook.root, slot)),
        None => Ok(jobs),
    }
}

/// What the regions will show.
fn functions(hook: &Hook<'_>, promises: &[Promise]) -> Result<Vec<AfuId>, Failure> {
    let function = |promise: &Promise| {
        bitstream::function(&hook.store, promise.interface, promise.image)
            .map_err(|failure| failure.of(&promise.variable))
    };
    promises.iter().map(function).collect()
}

impl Job<'_> {
    /// As failures call it.
    fn name(&self, index: usize, count: usize) -> String {
        format!("{} ({} of {count})", self.promise.variable, index + 1)
    }

    /// What was done, in words.
    fn run(&self, hook: &Hook<'_>) -> Result<String, Failure> {
        let timeout = hook.deadline.left();
        if self.is_loaded {
            return work::reset(&self.target, timeout).map_err(|failure| self.explain(failure));
        }
        let Promise { interface, image, .. } = *self.promise;
        let bitstream = bitstream::find(&hook.store, interface, image)
            .map_err(|f| self.explain(f.of(&self.target)))?;
        work::program(&self.target, &bitstream, Reprogram::unless_shown(image), timeout)
    }

    fn explain(&self, failure: Failure) -> Failure {
        failure.but(format_args!("wanted function {}, found {}", self.promise.image, self.found))
    }
}

/// Looks at all regions again, because somebody may have programmed the first while the last was under
/// way.
fn verify(hook: &Hook<'_>, jobs: &[Job<'_>]) -> Result<(), Failure> {
    let inventory = scan(hook.root);
    for (index, job) in jobs.iter().enumerate() {
        let port = port_by_name(&inventory, &job.target.port.name).map(|(_, port)| port);
        if port.and_then(Port::afu_id) != Some(job.function) {
            let found = found(port);
            let failure = Failure::new(
                Code::Programming,
                format_args!(
                    "{}: the region shows another function than it had a moment ago: wanted function {}, found {found}",
                    job.target, job.function
                ),
            );
            return Err(failure.of(job.name(index, jobs.len())));
        }
    }
    Ok(())
}

fn found(port: Option<&Port>) -> String {
    match port.map(|port| &port.function) {
        Some(Function::Loaded { afu_id }) => afu_id.to_string(),
        Some(Function::Busy) => "the region disabled".to_owned(),
        Some(Function::Crashed) => "a function that does not answer (all ones)".to_owned(),
        Some(Function::Unreadable) => "an unreadable function".to_owned(),
        Some(Function::Absent) => "no driver".to_owned(),
        None => "no such port".to_owned(),
    }
}
