//! A port found by its number, reading only what is about it: a tenth of what a scan of the node reads.
//!
//! Whatever is not plain is left to the scan, which knows the rest: ports on virtual functions, cards
//! with several regions, attributes that cannot be read.

use std::fs;
use std::path::Path;

use super::{Device, Management, Target};
use crate::card::{DeviceNumber, Driver};
use crate::driver::{Node, NodeKind};
use crate::id::{InterfaceId, PciAddress};
use crate::root::Root;
use crate::sysfs;

pub(super) fn target(root: &Root, number: DeviceNumber) -> Option<Target> {
    let dir = fs::canonicalize(root.char_device(number)).ok()?;
    let name = dir.file_name()?.to_str()?;
    let node = Node::parse(name).filter(|node| node.kind == NodeKind::Port)?;
    let container = dir.parent()?;
    let fme = names(container)?
        .into_iter()
        .find(|name| Node::parse(name).is_some_and(|node| node.kind == NodeKind::Fme))?;
    let interface_id = match node.driver {
        Driver::Dfl => dfl_region(&container.join(&fme))?,
        Driver::Opae => sysfs::read(&container.join(&fme).join("pr/interface_id")).ok()??,
    };
    Some(Target {
        card: Management {
            driver: node.driver,
            id: pci_function(container)?.into(),
            device: Device::new(root, &fme),
        },
        slot: Device::new(root, name),
        number: sysfs::read(&dir.join("id")).ok()??.parse().ok()?,
        is_reconfigurable: true,
        interface_id: Some(interface_id.parse::<InterfaceId>().ok()?),
    })
}

/// The interface id of the only region, `dfl-fme-region.N/fpga_region/regionM/compat_id`.
fn dfl_region(fme: &Path) -> Option<String> {
    let names = names(fme)?;
    let mut regions = names.iter().filter(|name| name.starts_with("dfl-fme-region."));
    let (only, None) = (regions.next()?, regions.next()) else { return None };
    let holder = fme.join(only).join("fpga_region");
    let region = self::names(&holder)?.into_iter().find(|name| name.starts_with("region"))?;
    sysfs::read(&holder.join(region).join("compat_id")).ok()?
}

fn names(dir: &Path) -> Option<Vec<String>> {
    let entries = fs::read_dir(dir).ok()?;
    Some(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

fn pci_function(dir: &Path) -> Option<PciAddress> {
    dir.ancestors().find_map(|dir| dir.file_name()?.to_str()?.parse().ok())
}
