//! Attributes of PCI functions.

use std::path::Path;

use super::object::Object;
use crate::card::{PciFunction, Problem};
use crate::id::PciAddress;

/// Reads the function at `path`. Ids that cannot be read are noted and left zero, which no device has:
/// the card works without them.
pub(super) fn read(address: PciAddress, path: &Path, problems: &mut Vec<Problem>) -> PciFunction {
    let unread = PciFunction::unread(address);
    let Some(mut object) = Object::open(&address.to_string(), path, problems) else {
        return unread;
    };
    PciFunction {
        address,
        vendor: object.required("vendor").unwrap_or(unread.vendor),
        device: object.required("device").unwrap_or(unread.device),
        subsystem_vendor: object.required("subsystem_vendor").unwrap_or(unread.subsystem_vendor),
        subsystem_device: object.required("subsystem_device").unwrap_or(unread.subsystem_device),
        class: object.required("class").unwrap_or(unread.class),
        numa_node: numa_node(&mut object),
        local_cpus: object.text("local_cpulist").unwrap_or_default(),
        sriov_numvfs: object.number("sriov_numvfs").unwrap_or_default(),
        sriov_totalvfs: object.number("sriov_totalvfs").unwrap_or_default(),
    }
}

/// -1 means that the platform does not say.
fn numa_node(object: &mut Object<'_>) -> Option<u32> {
    let node: i64 = object.id("numa_node", "a NUMA node")?;
    let known = u32::try_from(node).ok();
    if known.is_none() && node != -1 {
        object.problem("numa_node", format_args!("{node} is not a NUMA node"));
    }
    known
}
