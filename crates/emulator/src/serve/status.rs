//! The answer to the status command.

use std::path::PathBuf;

use crate::ctl::{CardStatus, PortStatus, Status};
use crate::host::{Host, Link, Slot};
use crate::machine::Driver;

pub(super) fn status(root: PathBuf, host: &Host) -> Status {
    Status { root, cards: host.slots.iter().map(card).collect() }
}

fn card(slot: &Slot) -> CardStatus {
    let names = match slot.spec.driver {
        Driver::Dfl => ("dfl-fme", "dfl-port"),
        Driver::Opae => ("intel-fpga-fme", "intel-fpga-port"),
    };
    CardStatus {
        name: slot.spec.name.clone(),
        pci: slot.spec.pci.to_string(),
        present: slot.link == Link::Up,
        fme: slot.bound.as_ref().map(|b| format!("{}.{}", names.0, b.fme)),
        ports: (0..slot.ports.len()).map(|p| port(slot, p, names.1)).collect(),
    }
}

fn port(slot: &Slot, port: usize, name: &str) -> PortStatus {
    let state = &slot.ports[port];
    let own =
        slot.bound.as_ref().filter(|_| !state.released && !state.driverless).map(|b| b.ports[port]);
    let device = slot.vf(port).map(|vf| vf.device).or(own);
    PortStatus {
        node: device.map(|n| format!("{name}.{n}")),
        afu_id: slot.card.ports[port].function().to_string(),
        disabled: state.disabled > 0,
        mapped: !state.dma.is_empty(),
    }
}
