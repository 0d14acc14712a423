//! After a container ended: the regions that the ledger names as its own are cleaned for the next one.
//!
//! Nothing that the runtime or the bundle says matters but the container's id. CRI-O runs this when a container is
//! removed, which may be hours after others got its regions; the bundle may be gone; and a container that was not
//! let start has nothing to clean.

use fpga::id::DeviceId;
use fpga::ledger::Owner;
use fpga::program::{For, Target};

use crate::bitstream;
use crate::cards::Work;
use crate::failure::{Code, Failure};
use crate::input::State;
use crate::report::Report;
use crate::run::Hook;

pub(crate) fn run(hook: &Hook<'_>, state: &State, report: &mut Report) -> Result<(), Failure> {
    let owner = state.owner();
    let slots = slots(hook, &owner, report)?;
    for (index, slot) in slots.iter().enumerate() {
        // A card that is gone must not keep the others' regions from being cleaned.
        let cleaned = Target::by_id(hook.root, *slot)
            .ok_or_else(|| Failure::new(Code::Gone, format!("region {slot}: its card is gone")))
            .and_then(|target| {
                let work = clean(hook, &owner, &target, slots.len() - index)?;
                Ok((target, work))
            });
        match cleaned {
            Ok((target, work)) => report.worked(format_args!("{target}: {work}"), &work),
            Err(failure) => report.failure(&failure),
        }
    }
    Ok(())
}

/// The container's regions.
fn slots(hook: &Hook<'_>, owner: &Owner, report: &Report) -> Result<Vec<DeviceId>, Failure> {
    let ledger = hook.root.ledger();
    let entries = ledger.entries().map_err(|error| {
        Failure::new(Code::Failed, format!("{}: {error}", ledger.directory().display()))
    })?;
    let mut slots = Vec::new();
    for (slot, entry) in entries {
        match entry {
            Ok(entry) if entry.owner.as_ref().is_some_and(|other| other.is_named_as(owner)) => {
                slots.push(slot);
            }
            Ok(_) => {}
            // Whose it is, nobody can say. The next owner's hook makes it anew.
            Err(error) => report.done(error),
        }
    }
    Ok(slots)
}

/// Cleans one of the `left` regions that are still to be done.
fn clean(hook: &Hook<'_>, owner: &Owner, target: &Target, left: usize) -> Result<Work, Failure> {
    let timeout = hook.deadline.share(left);
    let purpose = For::After(owner.clone());
    let blank = hook.args.blank.iter().find(|blank| target.interface_id == Some(blank.interface));
    let Some(blank) = blank else { return hook.cards.reset(target, purpose, timeout) };
    match bitstream::find(&hook.store, blank.interface, blank.image) {
        Ok(bitstream) => hook.cards.program(target, &bitstream, purpose, timeout),
        // Without the blank image a reset is still better than nothing.
        Err(failure) => {
            hook.cards.reset(target, purpose, timeout)?;
            Err(failure.of(target).but("only reset"))
        }
    }
}
