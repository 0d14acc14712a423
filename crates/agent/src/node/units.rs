//! From a snapshot to what the node has to give: one [`Unit`] for each slot of each card, whatever its driver and
//! whatever it will be called. A pure function.
//!
//! A unit that nobody can use now stays a unit, with the reason: whoever offers it decides what to say about it.

use std::sync::Arc;

use fpga::card::{self, DeviceNode, DeviceNumber, Function, Slot};
use fpga::id::{AfuId, DeviceId, InterfaceId};

use super::health::Reason;
use super::inventory::Snapshot;

/// Why a unit is unhealthy whose function reads as busy and is not being reconfigured.
const DISABLED: &str = "the last programming failed: run `fpgactl recover`";

/// Of a slot that lost its driver.
const NO_DRIVER: &str = "no driver shows its function";
/// Of a slot whose function nobody can tell, before or after it was programmed.
const ANONYMOUS: &str = "its port shows no function id, as with OFS";

/// A slot of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Which one. A card that shows no slot is one unit all the same.
    pub id: DeviceId,
    /// What it is called where containers get a function.
    pub name: String,
    /// What it is called where containers get a region.
    pub region_name: String,
    /// The card that it is on.
    pub card: Arc<Card>,
    /// Nodes through which programs use it. Empty while the host shows none, as after the release of a slot.
    pub nodes: Vec<DeviceNode>,
    /// The interface that images for it must fit.
    pub interface: Result<InterfaceId, Unclear>,
    /// The function that is loaded.
    pub function: Result<AfuId, Unclear>,
    /// What keeps everybody from using it.
    pub ailment: Option<Ailment>,
}

/// A card, as far as its units have it in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Card {
    /// Its name on this node.
    pub name: String,
    /// NUMA node; `None` when the platform does not say.
    pub numa_node: Option<u32>,
    /// The node by which the card is managed.
    pub management: Option<DeviceNode>,
    /// The interface that images for the card must fit, of its first slot that says so.
    pub interface: Result<InterfaceId, Unclear>,
}

/// Why the function or interface of a unit is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unclear {
    /// It cannot be read now.
    Now(Reason, &'static str),
    /// There is nothing to read.
    Never(&'static str),
}

/// What is wrong with a unit: the worst reason, and the words for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ailment {
    pub reason: Reason,
    /// A few words for each, in one line.
    pub words: Vec<String>,
}

/// A device node that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Name below `/dev`.
    pub name: String,
    /// What the kernel knows it by.
    pub number: DeviceNumber,
}

/// The units of a node: cards by their ids, a card's slots by number. Every card has at least one.
#[must_use]
pub(crate) fn units(snapshot: &Snapshot) -> Vec<Unit> {
    let mut cards: Vec<&card::Card> = snapshot.inventory.cards.iter().collect();
    cards.sort_by_key(|card| card.id);
    cards.into_iter().flat_map(|card| of_card(snapshot, card)).collect()
}

fn of_card(snapshot: &Snapshot, found: &card::Card) -> Vec<Unit> {
    let card = Arc::new(Card {
        name: found.name.clone(),
        numa_node: found.numa_node(),
        management: found.management.clone(),
        interface: interface(found.regions.iter().find_map(|region| region.interface_id)),
    });
    let unit = |slot: &Slot| Unit {
        id: DeviceId { card: found.id, slot: Some(slot.number) },
        name: slot.name.clone(),
        region_name: slot.region_name.clone(),
        nodes: found.driver.stack().edits(slot).nodes,
        interface: interface(slot_interface(found, slot)),
        function: function(&slot.function),
        ailment: ailment(snapshot, found, Some(slot)),
        card: Arc::clone(&card),
    };
    if found.slots.is_empty() {
        return vec![Unit {
            id: DeviceId { card: found.id, slot: None },
            name: found.name.clone(),
            region_name: found.name.clone(),
            nodes: Vec::new(),
            interface: card.interface,
            function: Err(Unclear::Never("it has no port node")),
            ailment: ailment(snapshot, found, None),
            card,
        }];
    }
    found.slots.iter().map(unit).collect()
}

/// A driver that shows one region for all slots need not say whose it is.
fn slot_interface(card: &card::Card, slot: &Slot) -> Option<InterfaceId> {
    match card.regions.as_slice() {
        [only] => only.interface_id,
        _ => card.interface_id(slot),
    }
}

fn interface(id: Option<InterfaceId>) -> Result<InterfaceId, Unclear> {
    match id {
        Some(id) if id.is_crash_marker() => Err(Unclear::Now(
            Reason::FirmwareCrashed,
            "its interface id reads as all ones: the firmware crashed",
        )),
        Some(id) => Ok(id),
        None => Err(Unclear::Now(Reason::Unreadable, "its interface id cannot be read")),
    }
}

fn function(function: &Function) -> Result<AfuId, Unclear> {
    let (reason, message) = match *function {
        Function::Loaded { afu_id } if !afu_id.is_crash_marker() => return Ok(afu_id),
        Function::Loaded { .. } | Function::Crashed => {
            let message = "its function reads as all ones: the firmware crashed";
            (Reason::FirmwareCrashed, message)
        }
        Function::Busy => (Reason::Reconfiguring, "it is being reconfigured"),
        Function::Unreadable => (Reason::Unreadable, "its function cannot be read"),
        Function::Absent => (Reason::Unreadable, NO_DRIVER),
        Function::Anonymous => return Err(Unclear::Never(ANONYMOUS)),
    };
    Err(Unclear::Now(reason, message))
}

fn ailment(snapshot: &Snapshot, card: &card::Card, slot: Option<&Slot>) -> Option<Ailment> {
    let name = slot.map(|slot| slot.name.as_str());
    if name.is_some_and(|name| snapshot.disabled.contains(name)) {
        return Some(Ailment::new(Reason::ProgrammingFailed, DISABLED));
    }
    let is_driverless = slot.is_some_and(|slot| slot.function == Function::Absent);
    let driverless = is_driverless.then(|| Ailment::new(Reason::Unreadable, NO_DRIVER));
    let conditions = snapshot
        .conditions
        .iter()
        .filter(|condition| condition.unhealthy && condition.affects(card.id, name));
    let each = conditions.map(|condition| Ailment::new(condition.reason, &condition.message));
    driverless.into_iter().chain(each).reduce(Ailment::and)
}

impl Node {
    /// The node, if the kernel has one.
    #[must_use]
    pub(crate) fn of(node: &DeviceNode) -> Option<Self> {
        node.number.map(|number| Self { name: node.name.clone(), number })
    }
}

impl Ailment {
    /// One thing that is wrong.
    #[must_use]
    pub(crate) fn new(reason: Reason, words: &str) -> Self {
        Self { reason, words: vec![words.to_owned()] }
    }

    /// Both, each thing once.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.reason = self.reason.min(other.reason);
        for words in other.words {
            if !self.words.contains(&words) {
                self.words.push(words);
            }
        }
        self
    }
}
