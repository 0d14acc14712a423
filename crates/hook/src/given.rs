//! Which slots a container has, and what for.
//!
//! Its devices are told by number: what one is called in the container is the pod's choice. What a slot is for is
//! said by the specification that brought it, else by the agent's file. A privileged container lists all devices of
//! the node, so that only what was allocated to it counts.

use fpga::id::DeviceId;
use fpga::program::Target;
use fpga::uses::{self, Uses};

use crate::failure::{Code, Failure};
use crate::input::{self, Allocation, Annotations, Config};
use crate::plan::Slot;
use crate::run::Hook;

/// The container's slots.
pub(crate) fn slots(
    hook: &Hook<'_>,
    config: &Config,
    annotations: &[&Annotations],
) -> Result<Vec<Slot>, Failure> {
    let found: Vec<_> = config
        .devices
        .iter()
        .filter_map(|&number| Some((Target::find(hook.session.root, number)?, number)))
        .collect();
    let mut allocation = config.allocation.clone();
    if let Some(device) = hook.args.device {
        allocation.add(device, hook.args.usage);
    }
    let is_told = !allocation.is_empty();
    if found.is_empty() && !is_told {
        return Ok(Vec::new());
    }
    let uses = if is_told { Uses::new() } else { uses(hook)? };
    // Where nothing is known a promise is required.
    let offered = |slot| uses::of_slot(&uses, slot).unwrap_or_default();
    if config.is_privileged && !is_told {
        for device in input::devices(annotations) {
            allocation.add(device, offered(device));
        }
    }
    check(&allocation, &found.iter().map(|(target, _)| target.id()).collect::<Vec<_>>())?;
    let slots = found.into_iter().filter_map(|(target, number)| {
        let told = allocation.usage(target.id());
        let usage = match config.is_privileged {
            true => told?,
            false => told.unwrap_or_else(|| offered(target.id())),
        };
        Some(Slot::new(target, usage, Some(number)))
    });
    Ok(slots.collect())
}

fn uses(hook: &Hook<'_>) -> Result<Uses, Failure> {
    let path = &hook.args.uses;
    let fail = |error| Failure::new(Code::Failed, format!("{}: {error}", path.display()));
    uses::load(path).map_err(fail)
}

/// The container must have what was allocated to it: after the driver was bound again a node's number may be that of
/// another card's.
fn check(allocation: &Allocation, found: &[DeviceId]) -> Result<(), Failure> {
    let has = |device: &DeviceId| found.iter().any(|slot| device.covers(*slot));
    match allocation.devices().find(|device| !has(device)) {
        None => Ok(()),
        Some(device) => Err(Failure::new(
            Code::Gone,
            format!(
                "device {device} was allocated to the container, and none of the container's device nodes is it: the node's \
                 devices have changed since; delete the pod, so that its successor gets what there is now"
            ),
        )),
    }
}
