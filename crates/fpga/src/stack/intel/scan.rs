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
//! A function with a management engine (FME) is a board. One with ports alone is a virtual function,
//! whose board is the one at its `physfn`. Neither the PCI class nor the vendor is asked for: what the
//! driver bound to is a card.
//!
//! Every attribute is opened and read once, relative to its directory, and at most 4096 bytes of it,
//! which is the most that sysfs gives. Nothing of `dev/` is touched.

use std::io;
use std::path::Path;

use crate::board::{Board, Driver, Inventory, Problem, Region, model};
use crate::root::Root;

mod class;
mod container;
mod dfl;
mod fme;
mod object;
mod opae;
mod pair;
mod pci;
mod plugged;
mod port;
mod vitals;

pub use plugged::{Plugged, plugged};

use container::{Container, Engine};
use object::Object;
pub use vitals::{PortVitals, PowerState, Temperature, Vitals, vitals};

/// Scans the node. Never fails as a whole: what cannot be read is a diagnosed entry of the result.
#[must_use]
pub fn scan(root: &Root) -> Inventory {
    let mut inventory = Inventory::default();
    scan_class(&dfl::FLAVOUR, &root.dfl_class(), &mut inventory);
    scan_class(&opae::FLAVOUR, &root.opae_class(), &mut inventory);
    inventory.boards.sort_by_key(|board| (board.pci.address, board.driver));
    inventory
}

/// What differs between the two kernel interfaces.
struct Flavour {
    driver: Driver,
    /// What the names of the objects in the class directory start with; a number follows this prefix
    /// and the next two.
    container: &'static str,
    fme: &'static str,
    port: &'static str,
    /// Error registers, as paths below the FME and below a port.
    fme_errors: &'static [&'static str],
    port_errors: &'static [&'static str],
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
    let mut boards = Vec::new();
    let mut virtual_functions = Vec::new();
    for container in entries.iter().filter_map(|entry| Container::read(flavour, entry, problems)) {
        match container.engine {
            Some(engine) => boards.push(board(flavour, engine, container.parts)),
            None => virtual_functions.push(container.parts),
        }
    }
    for parts in virtual_functions {
        attach(parts, &mut boards, problems);
    }
    for board in &mut boards {
        board.ports.sort_by(|a, b| (a.id, &a.node.name).cmp(&(b.id, &b.node.name)));
        pair(board);
    }
    inventory.boards.append(&mut boards);
}

fn board(flavour: &Flavour, engine: Engine, mut parts: container::Parts) -> Board {
    let pci = pci::read(parts.function, &parts.function_dir, &mut parts.problems);
    Board {
        driver: flavour.driver,
        model: model(&pci),
        pci,
        fme: engine.fme,
        regions: engine.regions,
        ports: parts.ports,
        problems: parts.problems,
    }
}

/// Tells each port of a complete board its region.
fn pair(board: &mut Board) {
    let ids: Vec<u32> = board.ports.iter().map(|port| port.id).collect();
    let Some(regions) = pair::regions(board.fme.ports_num, board.regions.len(), &ids) else {
        let message = format!(
            "{} regions and {} ports: which belongs to which is unknown",
            board.regions.len(),
            ids.len()
        );
        board.problems.push(Problem::new(&board.fme.node.name, message));
        return;
    };
    for (port, region) in board.ports.iter_mut().zip(regions) {
        port.region = region;
    }
}

/// Gives the ports of a function without an FME to the board at its physical function.
fn attach(mut parts: container::Parts, boards: &mut [Board], problems: &mut Vec<Problem>) {
    if let Some(board) = boards.iter_mut().find(|board| board.pci.address == parts.owner) {
        board.ports.append(&mut parts.ports);
        board.problems.append(&mut parts.problems);
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
        Problem::new(&port.node.name, message)
    }));
}
