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
//! is unhealthy until its driver is bound again; while it is being programmed it is in order. So is a
//! device of whose card or port an unhealthy condition is known ([`crate::node::health`]), as long as it is, and
//! one whose card vanished, for a while ([`Plan::with_vanished`]).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fpga::board::Board;
use fpga::id::PciAddress;
use fpga::names::{Mode, Naming, ResourceName};

use crate::node::health::Reason;
use crate::node::inventory::Snapshot;
use crate::plugin::device::{Device, Health, Node};

mod af;
mod region;
mod vanished;

/// What decides the names of the resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What the resources stand for.
    pub mode: Mode,
    /// How functions are called.
    pub naming: Naming,
}

/// What does not change while the agent runs.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How functions are called.
    pub naming: Naming,
    /// How long the devices of a vanished card stay listed.
    pub keep_vanished: Duration,
}

/// Why a device is unhealthy whose port reads as busy and is not being programmed.
const DISABLED: &str = "the last programming failed: run `fpgactl recover`";

/// The devices of each resource: boards by PCI address, a board's ports by number.
pub type Offer = BTreeMap<ResourceName, Vec<Device>>;

/// As what each device was last known. It belongs to one mode: start with an empty one when the mode
/// changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory(BTreeMap<(PciAddress, String), Known>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    name: ResourceName,
    device: Device,
    /// Since when its card is gone.
    gone_since: Option<Instant>,
}

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
    /// When the plan is another one though nothing happens.
    pub again_at: Option<Instant>,
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
            candidate.affliction = affliction(snapshot, board, &candidate.nodes);
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
    /// What else makes it unhealthy.
    affliction: Option<Health>,
}

/// What is known of a candidate.
enum State {
    /// It works, as this resource.
    Works(ResourceName),
    /// What it is cannot be told now, for this reason.
    Unknown(Reason, &'static str),
    /// It is nothing that a container could be given.
    Unusable(&'static str),
}

impl Candidate {
    fn new(id: String, nodes: Vec<Node>, state: State) -> Self {
        Self { id, nodes, state, disabled: false, affliction: None }
    }
}

/// What makes a device of these nodes unhealthy: the worst of it, with the words for all of it.
fn affliction(snapshot: &Snapshot, board: &Board, nodes: &[Node]) -> Option<Health> {
    let names = || nodes.iter().map(|node| node.name.as_str());
    let conditions = snapshot.conditions.iter();
    let ours: Vec<_> = conditions
        .filter(|condition| condition.unhealthy && condition.affects(board.pci.address, names()))
        .collect();
    let reason = ours.iter().map(|condition| condition.reason).min()?;
    let words: Vec<_> = ours.iter().map(|condition| condition.message.as_str()).collect();
    Some(unhealthy(reason, &words.join("; ")))
}

impl Plan {
    fn place(&mut self, board: &Board, candidate: Candidate, memory: &Memory) {
        let Candidate { id, nodes, state, disabled, affliction } = candidate;
        let key = (board.pci.address, id.clone());
        let (name, health) = match state {
            State::Works(name) if disabled => {
                (name, unhealthy(Reason::ProgrammingFailed, DISABLED))
            }
            State::Works(name) => (name, affliction.unwrap_or(Health::Healthy)),
            State::Unknown(reason, message) => match memory.0.get(&key) {
                Some(known) if disabled => {
                    (known.name.clone(), unhealthy(Reason::ProgrammingFailed, DISABLED))
                }
                Some(known) => (known.name.clone(), unhealthy(reason, message)),
                None => return self.note(id, message),
            },
            State::Unusable(reason) => return self.note(id, reason),
        };
        let devices = self.offer.entry(name.clone()).or_default();
        if devices.iter().any(|device| device.id == id) {
            return self.note(id, "another card has a device of this name");
        }
        let device =
            Device { id, health, numa_node: board.pci.numa_node, nodes, board: board.pci.address };
        devices.push(device.clone());
        self.memory.0.insert(key, Known { name, device, gone_since: None });
    }

    fn note(&mut self, object: String, reason: &str) {
        self.notes.insert(Note { object, message: format!("not offered: {reason}") });
    }
}

fn unhealthy(reason: Reason, message: &str) -> Health {
    Health::Unhealthy { reason, message: message.to_owned() }
}

#[cfg(test)]
mod tests;
