//! What the driver made for one PCI function: an FME and ports, or ports alone.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::class::{Entry, pci_function};
use super::{Flavour, fme, port};
use crate::card::{DeviceNode, Problem, Region, Slot};
use crate::errors::ErrorRegister;
use crate::id::PciAddress;
use crate::sysfs::{Dir, numbered};

/// The devices of one PCI function.
pub(super) struct Container {
    /// Its management engine; a virtual function has none.
    pub(super) engine: Option<Engine>,
    pub(super) parts: Parts,
}

/// A management engine and the regions that it reconfigures.
pub(super) struct Engine {
    pub(super) node: DeviceNode,
    pub(super) ports_num: Option<u32>,
    pub(super) bitstream_id: Option<u64>,
    pub(super) bitstream_metadata: Option<u64>,
    pub(super) socket_id: Option<u32>,
    pub(super) errors: Vec<ErrorRegister>,
    pub(super) regions: Vec<Region>,
}

/// What both kinds of function have.
pub(super) struct Parts {
    pub(super) function: PciAddress,
    pub(super) function_dir: PathBuf,
    /// The function that the card is on: the physical one of a virtual function, or this one.
    pub(super) owner: PciAddress,
    pub(super) ports: Vec<Slot>,
    pub(super) problems: Vec<Problem>,
}

impl Container {
    /// Reads the devices behind an entry of the class directory. `None` when there are none of the
    /// flavour's, which other drivers' regions have not, or when they cannot be a card's, which is noted
    /// in `problems`.
    pub(super) fn read(
        flavour: &Flavour,
        entry: &Entry,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let names = match Dir::open(&entry.path).and_then(|dir| dir.names(".")) {
            Ok(names) => names,
            Err(error) => {
                let path = entry.path.display();
                problems.push(Problem::new(&entry.name, format_args!("{path}: {}", error.desc())));
                return None;
            }
        };
        let fmes = numbered(&names, flavour.fme);
        let ports = numbered(&names, flavour.port);
        let first = fmes.first().or(ports.first())?;
        let Some((function, function_dir)) = pci_function(&entry.path) else {
            let path = entry.path.display();
            problems.push(Problem::new(first, format_args!("{path}: not below a PCI function")));
            return None;
        };

        let mut own = Vec::new();
        for extra in fmes.iter().skip(1) {
            own.push(Problem::new(
                extra,
                format_args!("second management engine beside {first}, left out"),
            ));
        }
        let engine =
            fmes.first().map(|name| fme::read(flavour, name, &entry.path.join(name), &mut own));
        let physical =
            if engine.is_none() { physical_function(function_dir, first, &mut own) } else { None };
        let place = port::Place { function, is_virtual: physical.is_some() };
        let ports = ports
            .iter()
            .filter_map(|name| port::read(flavour, name, &entry.path.join(name), place, &mut own))
            .collect();
        let parts = Parts {
            function,
            function_dir: function_dir.to_owned(),
            owner: physical.unwrap_or(function),
            ports,
            problems: own,
        };
        Some(Self { engine, parts })
    }
}

/// The function that `physfn` links to (`Documentation/ABI/testing/sysfs-bus-pci`).
fn physical_function(dir: &Path, object: &str, problems: &mut Vec<Problem>) -> Option<PciAddress> {
    let link = match fs::read_link(dir.join("physfn")) {
        Ok(link) => link,
        Err(error) => {
            let errno = Errno::try_from(error).unwrap_or(Errno::UnknownErrno);
            if errno != Errno::ENOENT {
                problems.push(Problem::new(object, format_args!("physfn: {}", errno.desc())));
            }
            return None;
        }
    };
    let address =
        link.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
    if address.is_none() {
        problems.push(Problem::new(
            object,
            format_args!("physfn: {} is no PCI function", link.display()),
        ));
    }
    address
}
