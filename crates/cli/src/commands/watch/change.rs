//! What differs between two scans.

use std::fmt;

use fpga::card::{Card, Function, Inventory, Problem, Slot};
use fpga::errors::ErrorRegister;
use fpga::id::{AfuId, CardId, InterfaceId};
use serde::Serialize;

use crate::output;

/// A difference. The names are those of `-o json`.
#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Change<'a> {
    DriverLoaded {
        driver: &'static str,
    },
    DriverUnloaded {
        driver: &'static str,
    },
    CardAdded {
        card: CardId,
        model: Option<&'static str>,
    },
    CardRemoved {
        card: CardId,
    },
    #[serde(rename = "portAdded")]
    SlotAdded {
        card: CardId,
        #[serde(rename = "port")]
        slot: &'a str,
        state: &'static str,
        afu_id: Option<AfuId>,
    },
    #[serde(rename = "portRemoved")]
    SlotRemoved {
        card: CardId,
        #[serde(rename = "port")]
        slot: &'a str,
    },
    Function {
        card: CardId,
        #[serde(rename = "port")]
        slot: &'a str,
        before: Loaded,
        after: Loaded,
    },
    Interface {
        card: CardId,
        region: &'a str,
        before: Option<InterfaceId>,
        after: Option<InterfaceId>,
    },
    Errors {
        card: CardId,
        device: &'a str,
        register: &'a str,
        value: String,
        words: String,
    },
    Problem {
        object: &'a str,
        message: &'a str,
    },
    ProblemSolved {
        object: &'a str,
        message: &'a str,
    },
}

/// What is behind a port.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Loaded {
    state: &'static str,
    afu_id: Option<AfuId>,
}

/// The changes that make `now` of `before`: what went, then what came or became something else.
pub(super) fn changes<'a>(before: &'a Inventory, now: &'a Inventory) -> Vec<Change<'a>> {
    let mut changes = Vec::new();
    let unloaded = before.drivers.iter().filter(|driver| !now.drivers.contains(driver));
    changes.extend(unloaded.map(|&driver| Change::DriverUnloaded { driver: driver.as_str() }));
    let loaded = now.drivers.iter().filter(|driver| !before.drivers.contains(driver));
    changes.extend(loaded.map(|&driver| Change::DriverLoaded { driver: driver.as_str() }));
    for old in &before.cards {
        if !now.cards.iter().any(|new| is_same(old, new)) {
            changes.push(Change::CardRemoved { card: old.id });
        }
    }
    for new in &now.cards {
        let old = before.cards.iter().find(|old| is_same(old, new));
        if old.is_none() {
            changes.push(Change::CardAdded { card: new.id, model: new.model });
        }
        card(old, new, &mut changes);
    }
    problems(before, now, &mut changes);
    changes
}

fn is_same(a: &Card, b: &Card) -> bool {
    (a.id, a.driver) == (b.id, b.driver)
}

fn card<'a>(old: Option<&'a Card>, new: &'a Card, changes: &mut Vec<Change<'a>>) {
    let card = new.id;
    let old_slots = old.map_or(&[][..], |old| &old.slots);
    for slot in old_slots {
        if find(&new.slots, &slot.name).is_none() {
            changes.push(Change::SlotRemoved { card, slot: &slot.name });
        }
    }
    regions(old, new, changes);
    registers(card, &new.name, old.map(|old| &old.errors), &new.errors, changes);
    for new in &new.slots {
        let old = find(old_slots, &new.name);
        slot(card, old, new, changes);
    }
}

fn find<'a>(slots: &'a [Slot], name: &str) -> Option<&'a Slot> {
    slots.iter().find(|slot| slot.name == name)
}

fn regions<'a>(old: Option<&'a Card>, new: &'a Card, changes: &mut Vec<Change<'a>>) {
    let Some(old) = old else { return };
    for region in &new.regions {
        let before = old.regions.iter().find(|old| old.name == region.name);
        let before = before.and_then(|old| old.interface_id);
        if before != region.interface_id {
            let (card, after) = (new.id, region.interface_id);
            changes.push(Change::Interface { card, region: &region.name, before, after });
        }
    }
}

fn slot<'a>(card: CardId, old: Option<&'a Slot>, new: &'a Slot, changes: &mut Vec<Change<'a>>) {
    let slot = new.name.as_str();
    let after = Loaded::new(&new.function);
    match old.map(|old| Loaded::new(&old.function)) {
        None => {
            let Loaded { state, afu_id } = after;
            changes.push(Change::SlotAdded { card, slot, state, afu_id });
        }
        Some(before) if before != after => {
            changes.push(Change::Function { card, slot, before, after });
        }
        Some(_) => {}
    }
    registers(card, slot, old.map(|old| &old.errors), &new.errors, changes);
}

/// Registers that have another value than before; one that is in no list is zero.
fn registers<'a>(
    card: CardId,
    device: &'a str,
    before: Option<&'a Vec<ErrorRegister>>,
    now: &'a [ErrorRegister],
    changes: &mut Vec<Change<'a>>,
) {
    let before = before.map_or(&[][..], Vec::as_slice);
    let value = |list: &[ErrorRegister], name: &str| {
        list.iter().find(|register| register.name == name).map_or(0, |register| register.value)
    };
    let gone = before.iter().filter(|old| value(now, &old.name) == 0);
    for register in gone.chain(now) {
        let name = register.name.as_str();
        let now = value(now, name);
        if now != value(before, name) {
            let words = if now == 0 { String::new() } else { register.words() };
            changes.push(Change::Errors {
                card,
                device,
                register: name,
                value: format!("{now:#x}"),
                words,
            });
        }
    }
}

fn problems<'a>(before: &'a Inventory, now: &'a Inventory, changes: &mut Vec<Change<'a>>) {
    let without =
        |problem: &&Problem, other: &Inventory| !other.all_problems().any(|p| p == *problem);
    changes.extend(before.all_problems().filter(|problem| without(problem, now)).map(|problem| {
        Change::ProblemSolved { object: &problem.object, message: &problem.message }
    }));
    changes.extend(
        now.all_problems()
            .filter(|problem| without(problem, before))
            .map(|problem| Change::Problem { object: &problem.object, message: &problem.message }),
    );
}

impl Loaded {
    fn new(function: &Function) -> Self {
        Self { state: function.word(), afu_id: function.afu_id() }
    }
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.afu_id {
            Some(id) => f.write_str(&output::function(id)),
            None => f.write_str(self.state),
        }
    }
}

impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DriverLoaded { driver } => write!(f, "driver {driver}: loaded"),
            Self::DriverUnloaded { driver } => write!(f, "driver {driver}: unloaded"),
            Self::CardAdded { card, model } => {
                write!(f, "{card}: added, {}", model.unwrap_or("of an unknown model"))
            }
            Self::CardRemoved { card } => write!(f, "{card}: removed"),
            Self::SlotAdded { card, slot, state, afu_id } => {
                let loaded = Loaded { state, afu_id: *afu_id };
                write!(f, "{card} {slot}: added, {loaded}")
            }
            Self::SlotRemoved { card, slot } => write!(f, "{card} {slot}: removed"),
            Self::Function { card, slot, before, after } => {
                write!(f, "{card} {slot}: function {before} -> {after}")
            }
            Self::Interface { card, region, before, after } => {
                let id = |id: &Option<InterfaceId>| fpga_findings::table::dash(*id);
                write!(f, "{card} {region}: interface {} -> {}", id(before), id(after))
            }
            Self::Errors { card, device, register, value, words } if words.is_empty() => {
                write!(f, "{card} {device}: {register} = {value}")
            }
            Self::Errors { card, device, register, value, words } => {
                write!(f, "{card} {device}: {register} = {value}: {words}")
            }
            Self::Problem { object, message } => write!(f, "{object}: problem: {message}"),
            Self::ProblemSolved { object, message } => write!(f, "{object}: solved: {message}"),
        }
    }
}

#[cfg(test)]
mod tests;
