//! From sysfs to an [`Inventory`].
//!
//! Both drivers make one object per PCI function, which a class directory links to and which holds
//! that function's devices:
//!
//! ```text
//! class/fpga_region/region0    -> devices/pci…/0000:5e:00.0/fpga_region/region0/{dfl-fme.0,dfl-port.0}
//! class/fpga/intel-fpga-dev.0  -> devices/pci…/0000:5e:00.0/fpga/intel-fpga-dev.0/{intel-fpga-fme.0,…}
//! ```
//!
//! A function with a management engine (FME) is a card. One with ports alone is a virtual function,
//! whose card is the one at its `physfn`. Neither the PCI class nor the vendor is asked for: what the
//! driver bound to is a card.
//!
//! Every attribute is opened and read once, relative to its directory, and at most 4096 bytes of it,
//! which is the most that sysfs gives. Nothing of `dev/` is touched.

use std::io;
use std::path::Path;

use super::models::model;
use super::names::region_name;
use crate::card::{Card, Driver, Inventory, Problem, Region};
use crate::root::Root;

mod class;
mod container;
pub(super) mod dfl;
mod fme;
pub(super) mod object;
pub(super) mod opae;
mod pair;
mod pci;
mod plugged;
mod port;

pub(super) use class::pci_function;
pub use plugged::{Plugged, plugged};

use container::{Container, Engine};
use object::Object;

/// Adds the cards of both drivers.
pub(super) fn scan(root: &Root, inventory: &mut Inventory) {
    for flavour in [&dfl::FLAVOUR, &opae::FLAVOUR] {
        scan_class(flavour, &root.class(flavour.class), inventory);
    }
}

/// What differs between the two kernel interfaces.
pub(super) struct Flavour {
    driver: Driver,
    /// Name of the class directory.
    class: &'static str,
    /// What the names of the objects in the class directory start with; a number follows this prefix
    /// and the next two.
    container: &'static str,
    fme: &'static str,
    port: &'static str,
    /// Error registers, as paths below the FME and below a port.
    pub(super) fme_errors: &'static [&'static str],
    pub(super) port_errors: &'static [&'static str],
    /// Reads the reconfigurable regions of an FME.
    regions: fn(&mut Object<'_>) -> Vec<Region>,
}

fn scan_class(flavour: &Flavour, class: &Path, inventory: &mut Inventory) {
    let entries = match class::entries(class, flavour) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => {
            inventory.drivers.push(flavour.driver);
            inventory.problems.push(Problem::new(class.display(), error));
            return;
        }
    };
    inventory.drivers.push(flavour.driver);

    let problems = &mut inventory.problems;
    let mut cards = Vec::new();
    let mut virtual_functions = Vec::new();
    for container in entries.iter().filter_map(|entry| Container::read(flavour, entry, problems)) {
        match container.engine {
            Some(engine) => cards.push(card(flavour, engine, container.parts)),
            None => virtual_functions.push(container.parts),
        }
    }
    for parts in virtual_functions {
        attach(parts, &mut cards, problems);
    }
    for card in &mut cards {
        card.slots.sort_by(|a, b| (a.number, &a.name).cmp(&(b.number, &b.name)));
        pair(card);
        name_regions(card);
    }
    inventory.cards.append(&mut cards);
}

fn card(flavour: &Flavour, engine: Engine, mut parts: container::Parts) -> Card {
    let pci = pci::read(parts.function, &parts.function_dir, &mut parts.problems);
    Card {
        id: parts.function.into(),
        name: engine.node.name.clone(),
        driver: flavour.driver,
        model: model(&pci),
        pci: Some(pci),
        management: Some(engine.node),
        slots_num: engine.ports_num,
        bitstream_id: engine.bitstream_id,
        bitstream_metadata: engine.bitstream_metadata,
        socket_id: engine.socket_id,
        errors: engine.errors,
        regions: engine.regions,
        slots: parts.ports,
        problems: parts.problems,
    }
}

/// Tells each port of a complete card its region.
fn pair(card: &mut Card) {
    let ids: Vec<u32> = card.slots.iter().map(|port| port.number).collect();
    let Some(regions) = pair::regions(card.slots_num, card.regions.len(), &ids) else {
        let message = format!(
            "{} regions and {} ports: which belongs to which is unknown",
            card.regions.len(),
            ids.len()
        );
        card.problems.push(Problem::new(&card.name, message));
        return;
    };
    for (port, region) in card.slots.iter_mut().zip(regions) {
        port.region = region;
    }
}

/// A card of one port keeps the management engine's name for its region, as Intel's plugin had it. `ports_num`
/// counts the released ports too, which are not seen; the others are for drivers that lack it.
fn name_regions(card: &mut Card) {
    let declared = card.slots_num.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    let is_only = declared.max(card.regions.len()).max(card.slots.len()) <= 1;
    for port in &mut card.slots {
        port.region_name = region_name(&card.name, (!is_only).then_some(port.number));
    }
}

/// Gives the ports of a function without an FME to the card at its physical function.
fn attach(mut parts: container::Parts, cards: &mut [Card], problems: &mut Vec<Problem>) {
    if let Some(card) = cards.iter_mut().find(|card| card.id == parts.owner.into()) {
        card.slots.append(&mut parts.ports);
        card.problems.append(&mut parts.problems);
        return;
    }
    problems.append(&mut parts.problems);
    let (function, owner) = (parts.function, parts.owner);
    problems.extend(parts.ports.iter().map(|port| {
        let message = if port.is_virtual {
            format!("{owner}, the physical function of {function}, has no management engine")
        } else {
            format!("{function} has neither a management engine nor a physical function")
        };
        Problem::new(&port.name, message)
    }));
}
