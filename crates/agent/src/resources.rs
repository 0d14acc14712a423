//! From an inventory to what the node offers. A pure function: everything that happened before comes
//! in as [`Memory`].
//!
//! | mode | one device per | device id | device nodes |
//! |---|---|---|---|
//! | `af` | port with a loaded function | the port's name | the port's |
//! | `region` | reconfigurable slot | the FME's name; `<fme>-port<id>` on a card of several slots | the slot's ports' |
//! | `regiondevel` | card | the FME's name | all ports', then the FME's |
//!
//! A device whose function or interface cannot be told now, because its port is being reconfigured,
//! its firmware crashed or its attribute cannot be read, stays unhealthy under the resource it was
//! last known as. It never moves to another resource because of a fault. A region whose programming failed
//! is unhealthy until its driver is bound again; while it is being programmed it is in order.

use std::collections::{BTreeMap, BTreeSet};

use fpga::board::Board;
use fpga::id::PciAddress;
use fpga::names::{Mode, Naming, ResourceName};

use crate::device::{Device, Health, Node};
use crate::inventory::Snapshot;

mod af;
mod region;

/// What decides the names of the resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What the resources stand for.
    pub mode: Mode,
    /// How functions are called.
    pub naming: Naming,
}

/// Why a device is unhealthy whose port reads as busy and is not being programmed.
const DISABLED: &str = "the last programming failed: run `fpgactl recover`";

/// The devices of each resource: boards by PCI address, a board's ports by number.
pub type Offer = BTreeMap<ResourceName, Vec<Device>>;

/// Under which resource each device was last known. It belongs to one mode: start with an empty one
/// when the mode changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory(BTreeMap<(PciAddress, String), ResourceName>);

/// Something on the node that is not offered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The port or the management engine.
    pub object: String,
    /// Why, in one line.
    pub message: String,
}

/// The result of [`plan`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What the kubelet is told.
    pub offer: Offer,
    /// To be handed to the next call.
    pub memory: Memory,
    /// What is left out.
    pub notes: BTreeSet<Note>,
}

/// Decides what the node offers.
#[must_use]
pub fn plan(snapshot: &Snapshot, settings: Settings, memory: &Memory) -> Plan {
    let mut boards: Vec<&Board> = snapshot.inventory.boards.iter().collect();
    boards.sort_by_key(|board| board.pci.address);
    let mut plan = Plan::default();
    for board in boards {
        let mut candidates = match settings.mode {
            Mode::Af => af::candidates(board, settings.naming),
            Mode::Region => region::slots(board),
            Mode::RegionDevel => vec![region::card(board)],
        };
        for candidate in &mut candidates {
            candidate.disabled =
                candidate.nodes.iter().any(|node| snapshot.disabled.contains(&node.name));
        }
        for candidate in candidates {
            plan.place(board, candidate, memory);
        }
    }
    plan
}

/// A device before it is decided where it belongs.
struct Candidate {
    id: String,
    nodes: Vec<Node>,
    state: State,
    /// A programming that failed has left it out of use.
    disabled: bool,
}

/// What is known of a candidate.
enum State {
    /// It works, as this resource.
    Works(ResourceName),
    /// What it is cannot be told now, for this reason.
    Unknown(&'static str),
    /// It is nothing that a container could be given.
    Unusable(&'static str),
}

impl Plan {
    fn place(&mut self, board: &Board, candidate: Candidate, memory: &Memory) {
        let Candidate { id, nodes, state, disabled } = candidate;
        let key = (board.pci.address, id.clone());
        let (name, health) = match state {
            State::Works(name) if disabled => (name, unhealthy(DISABLED)),
            State::Works(name) => (name, Health::Healthy),
            State::Unknown(reason) => match memory.0.get(&key) {
                Some(name) => (name.clone(), unhealthy(if disabled { DISABLED } else { reason })),
                None => return self.note(id, reason),
            },
            State::Unusable(reason) => return self.note(id, reason),
        };
        let devices = self.offer.entry(name.clone()).or_default();
        if devices.iter().any(|device| device.id == id) {
            return self.note(id, "another card has a device of this name");
        }
        self.memory.0.insert(key, name);
        devices.push(Device {
            id,
            health,
            numa_node: board.pci.numa_node,
            nodes,
            board: board.pci.address,
        });
    }

    fn note(&mut self, object: String, reason: &str) {
        self.notes.insert(Note { object, message: format!("not offered: {reason}") });
    }
}

fn unhealthy(reason: &str) -> Health {
    Health::Unhealthy { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
