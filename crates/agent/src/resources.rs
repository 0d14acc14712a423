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
//! last known as. It never moves to another resource because of a fault.

use std::collections::{BTreeMap, BTreeSet};

use fpga::board::{Board, Inventory};
use fpga::id::PciAddress;
use fpga::names::{Mode, Naming, ResourceName};

use crate::device::{Device, Health};

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
pub fn plan(inventory: &Inventory, settings: Settings, memory: &Memory) -> Plan {
    let mut boards: Vec<&Board> = inventory.boards.iter().collect();
    boards.sort_by_key(|board| board.pci.address);
    let mut plan = Plan::default();
    for board in boards {
        let candidates = match settings.mode {
            Mode::Af => af::candidates(board, settings.naming),
            Mode::Region => region::slots(board),
            Mode::RegionDevel => vec![region::card(board)],
        };
        for candidate in candidates {
            plan.place(board, candidate, memory);
        }
    }
    plan
}

/// A device before it is decided where it belongs.
struct Candidate {
    id: String,
    nodes: Vec<String>,
    state: State,
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
        let Candidate { id, nodes, state } = candidate;
        let key = (board.pci.address, id.clone());
        let (name, health) = match state {
            State::Works(name) => (name, Health::Healthy),
            State::Unknown(reason) => match memory.0.get(&key) {
                Some(name) => (name.clone(), Health::Unhealthy { reason: reason.to_owned() }),
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

#[cfg(test)]
mod tests;
