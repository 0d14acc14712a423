//! A port found by its number, reading only what is about it: a tenth of what a scan of the node reads.
//!
//! Whatever is not plain is left to the scan, which knows the rest: ports on virtual functions, cards
//! with several regions, attributes that cannot be read.

use std::fs;
use std::path::Path;

use super::driver::{Node, NodeKind};
use super::scan::pci_function;
use crate::card::{DeviceNumber, Driver};
use crate::id::InterfaceId;
use crate::root::Root;
use crate::stack::{Device, Found, Management};
use crate::sysfs;

pub(super) fn find(root: &Root, number: DeviceNumber) -> Option<Found> {
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
    Some(Found {
        card: Management {
            driver: node.driver,
            id: pci_function(container)?.0.into(),
            device: Device::new(root, &fme),
        },
        slot: Device::new(root, name),
        number: sysfs::read(&dir.join("id")).ok()??.parse().ok()?,
        interface_id: interface_id.parse::<InterfaceId>().ok()?,
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
