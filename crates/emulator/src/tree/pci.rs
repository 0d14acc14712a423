//! The PCI functions of a card (`Documentation/ABI/testing/sysfs-bus-pci`).

use super::sheet::Sheet;
use crate::host::store::Store;
use crate::host::{Slot, Vf};
use crate::id::PciAddress;

/// Directory of a function from the root.
pub(super) fn dir(address: PciAddress) -> String {
    format!("sys/devices/{}", address.device_path())
}

pub(super) fn physical(sheet: &mut Sheet, slot: &Slot) {
    let dir = dir(slot.spec.pci);
    function(sheet, slot, slot.spec.pci, slot.spec.ids.device, slot.bound.is_some());
    // Functions without the capability have no such attributes.
    if slot.total_vfs() > 0 {
        sheet.attribute(&format!("{dir}/sriov_totalvfs"), slot.total_vfs());
        let enabled = slot.bound.as_ref().map_or(0, |b| b.vfs.len());
        sheet.writable(&format!("{dir}/sriov_numvfs"), enabled, Store::NumVfs);
    }
    sheet.removal(&format!("{dir}/remove"));
    for (n, vf) in slot.bound.iter().flat_map(|b| &b.vfs).enumerate() {
        sheet.link(&format!("{dir}/virtfn{n}"), &self::dir(vf.address));
    }
}

/// The directory of a virtual function, with the link back.
pub(super) fn virtual_function(sheet: &mut Sheet, slot: &Slot, vf: &Vf) {
    function(sheet, slot, vf.address, slot.spec.ids.vf_device, true);
    sheet.link(&format!("{}/physfn", dir(vf.address)), &dir(slot.spec.pci));
}

fn function(sheet: &mut Sheet, slot: &Slot, address: PciAddress, device: u16, driven: bool) {
    let (dir, ids) = (dir(address), &slot.spec.ids);
    let id = |v: u16| format!("0x{v:04x}");
    let values = [
        ("vendor", id(ids.vendor)),
        ("device", id(device)),
        ("subsystem_vendor", id(ids.subsystem_vendor)),
        ("subsystem_device", id(ids.subsystem_device)),
        ("class", format!("0x{:06x}", ids.class)),
        ("revision", "0x00".into()),
        ("numa_node", slot.spec.numa_node.to_string()),
        ("local_cpulist", slot.spec.local_cpus.clone()),
        ("current_link_speed", "8.0 GT/s PCIe".into()),
        ("current_link_width", "8".into()),
        ("enable", "1".into()),
    ];
    for (name, value) in values {
        sheet.attribute(&format!("{dir}/{name}"), value);
    }
    let driver = slot.spec.driver.pci_name();
    let driver_line = if driven { format!("DRIVER={driver}\n") } else { String::new() };
    sheet.text(
        &format!("{dir}/uevent"),
        format!(
            "{driver_line}PCI_CLASS={:X}\nPCI_ID={:04X}:{device:04X}\nPCI_SUBSYS_ID={:04X}:{:04X}\nPCI_SLOT_NAME={address}\n",
            ids.class, ids.vendor, ids.subsystem_vendor, ids.subsystem_device
        ),
    );
    sheet.link(&format!("{dir}/subsystem"), "sys/bus/pci");
    if driven {
        sheet.link(&format!("{dir}/driver"), &format!("sys/bus/pci/drivers/{driver}"));
        sheet.link(&format!("sys/bus/pci/drivers/{driver}/{address}"), &dir);
    }
    sheet.link(&format!("sys/bus/pci/devices/{address}"), &dir);
}
