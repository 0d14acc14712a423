//! After a container ended: its ports are cleaned for the next one.

use fpga::names::CONTAINER_MODE_REGION;
use fpga::program::Target;

use crate::bitstream;
use crate::cards::{Reprogram, Work};
use crate::failure::Failure;
use crate::input::{Config, State, Unreadable};
use crate::plan::{self, Slot, Wish};
use crate::promise;
use crate::report::Report;
use crate::run::Hook;

pub(crate) fn run(hook: &Hook<'_>, state: &State, report: &mut Report) -> Result<(), Failure> {
    match config(state, report)? {
        Some(config) => slots(hook, &config, report),
        None => Ok(()),
    }
}

/// Cleans the ports of a container.
pub(crate) fn slots(hook: &Hook<'_>, config: &Config, report: &mut Report) -> Result<(), Failure> {
    let promises = promise::promises(&config.env)?;
    if promises.is_empty() && config.devices.is_empty() {
        return Ok(());
    }
    let slots = plan::slots(hook.root, &config.devices);
    let wish = |interface| Wish { interface, function: None };
    let wishes: Vec<Wish> = promises.iter().map(|promise| wish(promise.interface)).collect();
    let assigned = plan::assign(&wishes, &slots);
    // Such a container was not let start. That it lists a port then does not mean that it is its own: a
    // privileged one lists those of all others.
    if let Some(slot) = plan::without_promise(&assigned, &slots) {
        return Err(plan::no_promise(slot).but("nothing of it is cleaned"));
    }
    // A port that went with its card must not keep the others from being cleaned.
    for (promise, _) in promises.iter().zip(&assigned).filter(|(_, index)| index.is_none()) {
        report.failure(&plan::no_slot(hook.root, promise, &slots));
    }
    for (index, slot) in slots.iter().enumerate() {
        match clean(hook, slot, slots.len() - index) {
            Ok((target, work)) => report.worked(format_args!("{target}: {work}"), work.programmed),
            Err(failure) => report.failure(&failure),
        }
    }
    Ok(())
}

/// The container's configuration; `None` when it is gone, and the container was none with regions as
/// far as the annotations say.
fn config(state: &State, report: &Report) -> Result<Option<Config>, Failure> {
    let config = match state.bundle() {
        Ok(bundle) => Config::read(&bundle),
        Err(failure) => Err(Unreadable { failure, is_missing: true }),
    };
    match config {
        Ok(config) => Ok(Some(config)),
        Err(Unreadable { failure, is_missing: true }) if !has_regions(state) => {
            report.done(failure);
            Ok(None)
        }
        Err(Unreadable { failure, .. }) => {
            Err(failure.but("the container's devices are unknown, so they are not cleaned"))
        }
    }
}

fn has_regions(state: &State) -> bool {
    let mode = state.annotations.as_ref().and_then(|annotations| annotations.mode.as_deref());
    mode == Some(CONTAINER_MODE_REGION)
}

/// Cleans one of the `left` ports that are still to be done.
fn clean<'a>(hook: &Hook<'_>, slot: &'a Slot, left: usize) -> Result<(&'a Target, Work), Failure> {
    let target = slot.checked()?;
    let timeout = hook.deadline.share(left);
    let blank = hook.args.blank.iter().find(|blank| target.interface_id == Some(blank.interface));
    let done = match blank {
        None => hook.cards.reset(target, timeout)?,
        Some(blank) => {
            let found = bitstream::find(&hook.store, blank.interface, blank.image);
            match found {
                Ok(bitstream) => {
                    let reprogram = Reprogram::unless_shown(blank.image);
                    hook.cards.program(target, &bitstream, reprogram, timeout)?
                }
                // Without the blank image a reset is still better than nothing.
                Err(failure) => {
                    hook.cards.reset(target, timeout)?;
                    return Err(failure.of(target).but("only reset"));
                }
            }
        }
    };
    Ok((target, done))
}
