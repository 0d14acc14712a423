//! Cleaning one region.

use std::time::Duration;

use fpga::card::{Function, Inventory};
use fpga::id::DeviceId;
use fpga::program::{self, Cause, For, SlotOptions, Target, slot_by_name};
use fpga::records::RunResult;
use fpga::root::Root;

use crate::programmer::Programmer;

/// How long a card's lock is waited for. Who has it programs the card, so that asking later will do.
const LOCK_LIMIT: Duration = Duration::from_secs(2);

/// How a cleaning ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Every slot was reset, with what there is to be said.
    Cleaned(Vec<String>),
    /// Somebody uses or programs the region.
    Later(String),
    /// The agent may not do it.
    Denied(String),
    /// It is not to be done.
    Failed(String),
}

/// Has the programmer clean `slots`, which opens what the agent may not.
pub(super) fn ask(programmer: &Programmer, inventory: &Inventory, slots: &[String]) -> Outcome {
    for name in slots {
        let Some((card, slot)) = slot_by_name(inventory, name) else {
            return Outcome::Failed(format!("{name} is gone"));
        };
        match programmer.clean(DeviceId { card: card.id, slot: Some(slot.number) }) {
            Ok(Ok(())) => {}
            Ok(Err(failed)) => {
                return match failed.code {
                    RunResult::Busy => Outcome::Later(failed.message),
                    _ => Outcome::Failed(failed.message),
                };
            }
            Err(reason) => return Outcome::Later(reason),
        }
    }
    Outcome::Cleaned(Vec::new())
}

/// Clears the errors of `slots` and resets them, if nobody uses them. One that is out of use is left
/// alone. The kubelet has said that no container has them, so whoever the ledger names has ended.
pub(super) fn clean(root: &Root, inventory: &Inventory, slots: &[String]) -> Outcome {
    let mut said = Vec::new();
    for name in slots {
        let Some((card, slot)) = slot_by_name(inventory, name) else {
            return Outcome::Failed(format!("{name} is gone"));
        };
        if slot.function == Function::Busy {
            return Outcome::Later(format!("{name} is being programmed, or is disabled"));
        }
        let target = Target::new(root, card, slot);
        let options = SlotOptions {
            purpose: For::released(&target),
            timeout: LOCK_LIMIT,
            ..SlotOptions::default()
        };
        match program::reset(&target, &options, &mut ()) {
            Ok(cleaned) => {
                let warnings = cleaned.warnings().iter();
                said.extend(warnings.map(|warning| format!("{name}: {warning}")));
            }
            Err(error) => match error.cause() {
                Cause::InUse | Cause::Locked => return Outcome::Later(error.to_string()),
                Cause::Denied => return Outcome::Denied(error.to_string()),
                _ => return Outcome::Failed(error.to_string()),
            },
        }
    }
    Outcome::Cleaned(said)
}
