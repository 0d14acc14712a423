//! From units to the resources that the node offers. A pure function: everything that happened before comes
//! in as [`Memory`].
//!
//! | mode | one device per | device id | device nodes |
//! |---|---|---|---|
//! | `af` | slot with a loaded function | its port's name | the port's |
//! | `region` | slot | the management node's name; `<name>-port<id>` on a card of several slots | the slot's |
//! | `regiondevel` | card | the management node's name | all slots', then the management node |
//!
//! A device whose function or interface cannot be read now, because its region is being reconfigured or its
//! firmware crashed, stays unhealthy under the resource it was last known as. It never moves to another resource
//! because of a fault. So does one that nobody can use now ([`Unit::ailment`]).
//!
//! A device that somebody holds under another name than it has now is unhealthy under both: under its name, so that
//! nobody else gets it, and under the one that it is held as, so that the kubelet goes on counting it. A card that is
//! held holds its slots, and a held slot its card.

use std::collections::{BTreeMap, BTreeSet};

use fpga::card::DeviceNode;
use fpga::id::{CardId, DeviceId, InterfaceId};
use fpga::names::{Mode, Naming, RegionDevelName, ResourceName};

use super::device::{Device, Health, Offer};
use crate::kubelet::podresources::Held;
use crate::node::health::Reason;
use crate::node::units::{Ailment, Node, Unclear, Unit};

/// What decides the names of the resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// What the resources stand for.
    pub mode: Mode,
    pub naming: Naming,
    pub regiondevel: RegionDevelName,
}

/// As what each device was last known. It belongs to one mode: start with an empty one when the mode
/// changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Memory(BTreeMap<(CardId, String), ResourceName>);

/// Something on the node that is not offered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Note {
    /// The device.
    pub object: String,
    /// Why, in one line.
    pub message: String,
}

/// The result of [`plan`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// What the kubelet is told.
    pub offer: Offer,
    /// To be handed to the next call.
    pub memory: Memory,
    /// What is left out.
    pub notes: BTreeSet<Note>,
}

/// Decides what the node offers while these devices are held. The units of each card follow one another.
#[must_use]
pub(crate) fn plan(
    units: &[Unit],
    settings: Settings,
    memory: &Memory,
    held: &BTreeSet<Held>,
) -> Plan {
    let mut plan = Plan::default();
    let Settings { mode, naming, regiondevel } = settings;
    let candidates: Vec<Candidate<'_>> = match mode {
        Mode::Af => units.iter().filter_map(|unit| Candidate::function(unit, naming)).collect(),
        Mode::Region => units.iter().map(Candidate::region).collect(),
        Mode::RegionDevel => {
            let cards = units.chunk_by(|a, b| a.id.card == b.id.card);
            cards.filter_map(|units| Candidate::card(units, regiondevel)).collect()
        }
    };
    for candidate in candidates {
        plan.place(candidate, memory, held);
    }
    for device in held {
        plan.keep(device, units);
    }
    plan
}

/// A device before it is decided where it belongs.
struct Candidate<'a> {
    /// What it consists of.
    units: &'a [Unit],
    place: DeviceId,
    numa_node: Option<u32>,
    id: &'a str,
    nodes: Vec<Node>,
    /// The resource that it is now, if that can be told.
    name: Result<ResourceName, Unclear>,
    ailment: Option<Ailment>,
    is_gone: bool,
}

impl<'a> Candidate<'a> {
    /// Mode `af`: a slot, under the function that is loaded.
    fn function(unit: &'a Unit, naming: Naming) -> Option<Self> {
        let name = function_name(unit, naming);
        let has_node = !unit.nodes.is_empty();
        has_node.then(|| Self::new(unit, &unit.name, "it has no device node", name))
    }

    /// Mode `region`: a slot, under the interface that images must fit. One that is being reconfigured is in
    /// order: that is what the device is for. One whose function can never be told is nothing for the hook, which
    /// reads back what it programmed.
    fn region(unit: &'a Unit) -> Self {
        let name = match unit.function {
            Err(never @ Unclear::Never(_)) => Err(never),
            _ => unit.interface.map(ResourceName::region),
        };
        Self::new(unit, &unit.region_name, "it has no port node", name)
    }

    fn new(
        unit: &'a Unit,
        id: &'a str,
        no_node: &'static str,
        name: Result<ResourceName, Unclear>,
    ) -> Self {
        let nodes = existing(&unit.nodes);
        let name = if nodes.is_empty() { Err(Unclear::Never(no_node)) } else { name };
        let ailment = unit.ailment.clone();
        let (place, numa_node) = (unit.id, unit.card.numa_node);
        let units = std::slice::from_ref(unit);
        Self { units, place, numa_node, id, nodes, name, ailment, is_gone: unit.is_gone() }
    }

    /// Mode `regiondevel`: a card with all its units and its management node.
    fn card(units: &'a [Unit], naming: RegionDevelName) -> Option<Self> {
        let Unit { id, card, .. } = units.first()?;
        let management = card.management.as_ref().and_then(Node::of);
        let name = match management {
            Some(_) => card.interface.map(|id| ResourceName::regiondevel(naming, id)),
            None => Err(Unclear::Never("it has no device node")),
        };
        let nodes = units.iter().flat_map(|unit| existing(&unit.nodes)).chain(management).collect();
        let ailment = units.iter().filter_map(|unit| unit.ailment.clone()).reduce(Ailment::and);
        let is_gone = units.iter().all(Unit::is_gone);
        let (numa_node, place) = (card.numa_node, id.whole_card());
        let id = card.name.as_str();
        Some(Self { units, place, numa_node, id, nodes, name, ailment, is_gone })
    }
}

fn function_name(unit: &Unit, naming: Naming) -> Result<ResourceName, Unclear> {
    let function = unit.function?;
    match (unit.interface, naming) {
        (Ok(interface), _) => Ok(ResourceName::af(naming, interface, function)),
        // The plain form leaves the interface out.
        (Err(Unclear::Now(Reason::Unreadable, _)), Naming::Plain) => {
            Ok(ResourceName::af(naming, InterfaceId::new(0), function))
        }
        (Err(unclear), _) => Err(unclear),
    }
}

/// The nodes that exist.
fn existing(nodes: &[DeviceNode]) -> Vec<Node> {
    nodes.iter().filter_map(Node::of).collect()
}

impl Plan {
    fn place(&mut self, candidate: Candidate<'_>, memory: &Memory, held: &BTreeSet<Held>) {
        let Candidate { units, place, numa_node, id, nodes, name, ailment, is_gone } = candidate;
        let key = (place.card, id.to_owned());
        let (name, fault) = match name {
            Ok(name) => (name, None),
            Err(Unclear::Now(reason, message)) => match memory.0.get(&key) {
                Some(known) => (known.clone(), Some(Ailment::new(reason, message))),
                None => return self.note(is_gone, id, message),
            },
            Err(Unclear::Never(message)) => return self.note(is_gone, id, message),
        };
        let has_it = |devices: &Vec<Device>| devices.iter().any(|device| device.id == id);
        let is_taken = match is_gone {
            // Numbers are given again: another card may have this one's now.
            true => self.offer.values().any(has_it),
            false => self.offer.get(&name).is_some_and(has_it),
        };
        if is_taken {
            return self.note(is_gone, id, "another card has a device of this name");
        }
        let worst = [fault, ailment].into_iter().flatten().min_by_key(|ailment| ailment.reason);
        let elsewhere = |held: &&Held| {
            (&held.resource, held.id.as_str()) != (&name, id)
                && units.iter().any(|unit| held.includes(unit))
        };
        let held = held.iter().filter(elsewhere).map(|Held { resource, id }| {
            Ailment::new(Reason::Held, &format!("a pod holds it as device {id} of {resource}"))
        });
        let ailment = worst.into_iter().chain(held).reduce(Ailment::and);
        let health = ailment.map_or(Health::Healthy, |Ailment { reason, words }| {
            Health::Unhealthy { reason, message: words.join("; ") }
        });
        let device = Device { id: id.to_owned(), health, numa_node, nodes, place, is_over: false };
        self.offer.entry(name.clone()).or_default().push(device);
        self.memory.0.insert(key, name);
    }

    /// Keeps a device that somebody holds under a name that it does not have any more.
    fn keep(&mut self, held: &Held, units: &[Unit]) {
        let Held { resource, id } = held;
        let of_device = || units.iter().filter(|unit| held.includes(unit));
        // Numbers are given again: what is there is meant, not what vanished.
        let is_there = of_device().any(|unit| !unit.is_gone());
        let units: Vec<_> = of_device().filter(|unit| unit.is_gone() != is_there).collect();
        let Some(first) = units.first() else { return };
        let devices = self.offer.entry(resource.clone()).or_default();
        if devices.iter().any(|device| device.id == *id) {
            return;
        }
        let words = "a pod has held it since before its mode or function changed";
        devices.push(Device {
            id: id.clone(),
            health: Health::Unhealthy { reason: Reason::Held, message: words.to_owned() },
            numa_node: first.card.numa_node,
            nodes: units.iter().flat_map(|unit| existing(&unit.nodes)).collect(),
            place: match units.as_slice() {
                [only] => only.id,
                _ => first.id.whole_card(),
            },
            is_over: true,
        });
    }

    /// What is gone goes without a word.
    fn note(&mut self, is_gone: bool, object: &str, reason: &str) {
        if !is_gone {
            let message = format!("not offered: {reason}");
            self.notes.insert(Note { object: object.to_owned(), message });
        }
    }
}

#[cfg(test)]
mod tests;
