//! What differs between two scans.

use std::fmt;

use fpga::board::{Board, Driver, ErrorRegister, Function, Inventory, Port, Problem};
use fpga::errors::Register;
use fpga::id::{AfuId, InterfaceId, PciAddress};
use serde::Serialize;

use crate::output;

/// A difference. The names are those of `-o json`.
#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Change<'a> {
    DriverLoaded {
        driver: Driver,
    },
    DriverUnloaded {
        driver: Driver,
    },
    CardAdded {
        card: PciAddress,
        model: Option<&'static str>,
    },
    CardRemoved {
        card: PciAddress,
    },
    PortAdded {
        card: PciAddress,
        port: &'a str,
        state: &'static str,
        afu_id: Option<AfuId>,
    },
    PortRemoved {
        card: PciAddress,
        port: &'a str,
    },
    Function {
        card: PciAddress,
        port: &'a str,
        before: Loaded,
        after: Loaded,
    },
    Interface {
        card: PciAddress,
        region: &'a str,
        before: Option<InterfaceId>,
        after: Option<InterfaceId>,
    },
    Errors {
        card: PciAddress,
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
    changes.extend(unloaded.map(|&driver| Change::DriverUnloaded { driver }));
    let loaded = now.drivers.iter().filter(|driver| !before.drivers.contains(driver));
    changes.extend(loaded.map(|&driver| Change::DriverLoaded { driver }));
    for old in &before.boards {
        if !now.boards.iter().any(|new| is_same(old, new)) {
            changes.push(Change::CardRemoved { card: old.pci.address });
        }
    }
    for new in &now.boards {
        let old = before.boards.iter().find(|old| is_same(old, new));
        if old.is_none() {
            changes.push(Change::CardAdded { card: new.pci.address, model: new.model });
        }
        board(old, new, &mut changes);
    }
    problems(before, now, &mut changes);
    changes
}

fn is_same(a: &Board, b: &Board) -> bool {
    (a.pci.address, a.driver) == (b.pci.address, b.driver)
}

fn board<'a>(old: Option<&'a Board>, new: &'a Board, changes: &mut Vec<Change<'a>>) {
    let card = new.pci.address;
    let old_ports = old.map_or(&[][..], |old| &old.ports);
    for port in old_ports {
        if find(&new.ports, &port.node.name).is_none() {
            changes.push(Change::PortRemoved { card, port: &port.node.name });
        }
    }
    regions(old, new, changes);
    let engine = &new.fme.node.name;
    registers(
        card,
        engine,
        Register::of_fme,
        old.map(|old| &old.fme.errors),
        &new.fme.errors,
        changes,
    );
    for new in &new.ports {
        let old = find(old_ports, &new.node.name);
        port(card, old, new, changes);
    }
}

fn find<'a>(ports: &'a [Port], name: &str) -> Option<&'a Port> {
    ports.iter().find(|port| port.node.name == name)
}

fn regions<'a>(old: Option<&'a Board>, new: &'a Board, changes: &mut Vec<Change<'a>>) {
    let Some(old) = old else { return };
    for region in &new.regions {
        let before = old.regions.iter().find(|old| old.name == region.name);
        let before = before.and_then(|old| old.interface_id);
        if before != region.interface_id {
            let (card, after) = (new.pci.address, region.interface_id);
            changes.push(Change::Interface { card, region: &region.name, before, after });
        }
    }
}

fn port<'a>(card: PciAddress, old: Option<&'a Port>, new: &'a Port, changes: &mut Vec<Change<'a>>) {
    let port = new.node.name.as_str();
    let after = Loaded::new(&new.function);
    match old.map(|old| Loaded::new(&old.function)) {
        None => {
            let Loaded { state, afu_id } = after;
            changes.push(Change::PortAdded { card, port, state, afu_id });
        }
        Some(before) if before != after => {
            changes.push(Change::Function { card, port, before, after });
        }
        Some(_) => {}
    }
    registers(card, port, Register::of_port, old.map(|old| &old.errors), &new.errors, changes);
}

/// Registers that have another value than before; one that is in no list is zero.
fn registers<'a>(
    card: PciAddress,
    device: &'a str,
    of: fn(&str) -> Option<Register>,
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
            let words = of(name).map(|register| register.words(now)).unwrap_or_default();
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
            Self::PortAdded { card, port, state, afu_id } => {
                let loaded = Loaded { state, afu_id: *afu_id };
                write!(f, "{card} {port}: added, {loaded}")
            }
            Self::PortRemoved { card, port } => write!(f, "{card} {port}: removed"),
            Self::Function { card, port, before, after } => {
                write!(f, "{card} {port}: function {before} -> {after}")
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
