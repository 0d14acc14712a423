//! A card on the in-tree driver.

use super::pci;
use super::port;
use super::sheet::Sheet;
use crate::card::regs::*;
use crate::host::numbers::Region;
use crate::host::store::Store;
use crate::host::{Bound, Node, Slot, Unit};

/// Character device majors: one for each of the two kinds of node, from the range of dynamic numbers.
const FME_MAJOR: u32 = 236;
const PORT_MAJOR: u32 = 235;

pub(super) fn card(sheet: &mut Sheet, index: usize, slot: &Slot, bound: &Bound) {
    let base = base_region(sheet, &pci::dir(slot.spec.pci), bound.region);
    let name = format!("dfl-fme.{}", bound.fme);
    let fme = format!("{base}/{name}");
    platform_device(sheet, &fme, &name, "dfl-fme", true);
    node(sheet, &fme, &name, (FME_MAJOR, bound.fme), Some(Node { slot: index, unit: Unit::Fme }));
    management(sheet, &fme, slot);
    thermal(sheet, &fme, bound.hwmon[0], slot);
    power(sheet, &fme, bound.hwmon[1], slot);
    if let Some(manager) = bound.manager {
        reconfiguration(sheet, &fme, slot, bound, manager);
    }
    for (number, device) in bound.ports.iter().enumerate() {
        let state = &slot.ports[number];
        if !state.released {
            let live =
                (!state.driverless).then_some(Node { slot: index, unit: Unit::Port(number) });
            port_device(sheet, &base, *device, slot, number, live);
        }
    }
    for vf in &bound.vfs {
        let base = base_region(sheet, &pci::dir(vf.address), vf.region);
        let live = Some(Node { slot: index, unit: Unit::Port(vf.port) });
        port_device(sheet, &base, vf.device, slot, vf.port, live);
    }
}

/// The region of a PCI function. It has no `compat_id` that could be read, so none is there.
fn base_region(sheet: &mut Sheet, pci: &str, number: u32) -> String {
    let dir = format!("{pci}/fpga_region/region{number}");
    class_device(sheet, &dir, "fpga_region", "");
    sheet.link(&format!("{dir}/device"), pci);
    dir
}

/// A device of a class: its directory is `dir`, its name the last component.
fn class_device(sheet: &mut Sheet, dir: &str, class: &str, uevent: &str) {
    let name = dir.rsplit('/').next().unwrap_or(dir);
    sheet.text(&format!("{dir}/uevent"), uevent.to_owned());
    sheet.link(&format!("{dir}/subsystem"), &format!("sys/class/{class}"));
    sheet.link(&format!("sys/class/{class}/{name}"), dir);
}

fn platform_device(sheet: &mut Sheet, dir: &str, name: &str, driver: &str, driven: bool) {
    let alias = name.split('.').next().unwrap_or(name);
    sheet.attribute(&format!("{dir}/modalias"), format_args!("platform:{alias}"));
    sheet.link(&format!("{dir}/subsystem"), "sys/bus/platform");
    sheet.link(&format!("sys/bus/platform/devices/{name}"), dir);
    sheet.text(&format!("{dir}/uevent"), platform_uevent(alias, driven.then_some(driver)));
    if driven {
        sheet.link(&format!("{dir}/driver"), &format!("sys/bus/platform/drivers/{driver}"));
        sheet.link(&format!("sys/bus/platform/drivers/{driver}/{name}"), dir);
    }
}

fn platform_uevent(alias: &str, driver: Option<&str>) -> String {
    let driver = driver.map(|d| format!("DRIVER={d}\n")).unwrap_or_default();
    format!("{driver}MODALIAS=platform:{alias}\n")
}

/// A device node with what finds it by number.
fn node(sheet: &mut Sheet, dir: &str, name: &str, (major, minor): (u32, u32), live: Option<Node>) {
    sheet.attribute(&format!("{dir}/dev"), format_args!("{major}:{minor}"));
    let kind = name.split('.').next().unwrap_or(name);
    let platform = platform_uevent(kind, live.is_some().then_some(kind));
    sheet.text(
        &format!("{dir}/uevent"),
        format!("MAJOR={major}\nMINOR={minor}\nDEVNAME={name}\n{platform}"),
    );
    sheet.link(&format!("sys/dev/char/{major}:{minor}"), dir);
    sheet.link(&format!("dev/char/{major}:{minor}"), &format!("dev/{name}"));
    sheet.node(name, live);
}

fn port_device(
    sheet: &mut Sheet,
    base: &str,
    device: u32,
    slot: &Slot,
    number: usize,
    live: Option<Node>,
) {
    let name = format!("dfl-port.{device}");
    let dir = format!("{base}/{name}");
    platform_device(sheet, &dir, &name, "dfl-port", live.is_some());
    node(sheet, &dir, &name, (PORT_MAJOR, device), live);
    if live.is_some() {
        port::attributes(sheet, &dir, slot, number);
    }
}

/// `Documentation/ABI/testing/sysfs-platform-dfl-fme`.
fn management(sheet: &mut Sheet, dir: &str, slot: &Slot) {
    let fme = &slot.card.fme;
    let capabilities = fme.peek(FME_CAP);
    let at = |name: &str| format!("{dir}/{name}");
    sheet.attribute(&at("ports_num"), capabilities >> 17 & 7);
    sheet.attribute(&at("bitstream_id"), format_args!("{:#x}", fme.peek(BITSTREAM_ID)));
    sheet.attribute(&at("bitstream_metadata"), format_args!("{:#x}", fme.peek(BITSTREAM_MD)));
    sheet.attribute(&at("cache_size"), capabilities >> 32 & 0xfff);
    sheet.attribute(&at("fabric_version"), capabilities & 0xff);
    sheet.attribute(&at("socket_id"), capabilities >> 8 & 1);
    let errors = |name: &str| format!("{dir}/errors/{name}");
    let hex = |register| format!("{:#x}", fme.peek(register));
    sheet.writable(&errors("fme_errors"), hex(FME_ERROR), Store::FmeErrors);
    sheet.writable(&errors("pcie0_errors"), hex(PCIE0_ERROR), Store::Pcie0Errors);
    sheet.writable(&errors("pcie1_errors"), hex(PCIE1_ERROR), Store::Pcie1Errors);
    sheet.writable(
        &errors("inject_errors"),
        format_args!("{:#x}", fme.peek(RAS_ERROR_INJECT) & 7),
        Store::InjectErrors,
    );
    sheet.attribute(&errors("first_error"), hex(FME_FIRST_ERROR));
    sheet.attribute(&errors("next_error"), hex(FME_NEXT_ERROR));
    sheet.attribute(&errors("nonfatal_errors"), hex(RAS_NONFATAL_ERROR));
    sheet.attribute(&errors("catfatal_errors"), hex(RAS_CATFATAL_ERROR));
}

fn hwmon(sheet: &mut Sheet, fme: &str, number: u32, name: &str) -> String {
    let dir = format!("{fme}/hwmon/hwmon{number}");
    class_device(sheet, &dir, "hwmon", "");
    sheet.attribute(&format!("{dir}/name"), name);
    sheet.link(&format!("{dir}/device"), fme);
    dir
}

/// Temperatures in thousandths of a degree.
fn thermal(sheet: &mut Sheet, fme: &str, number: u32, slot: &Slot) {
    let dir = hwmon(sheet, fme, number, "dfl_fme_thermal");
    let thresholds = slot.card.fme.peek(THERM_THRESHOLD);
    let values = [
        ("input", (slot.card.fme.peek(THERM_SENSOR) & 0x7f) * 1000),
        ("max", (thresholds & 0x7f) * 1000),
        ("crit", (thresholds >> 8 & 0x7f) * 1000),
        ("emergency", (thresholds >> 24 & 0x7f) * 1000),
        ("max_alarm", thresholds >> 32 & 1),
        ("crit_alarm", thresholds >> 33 & 1),
        ("max_policy", thresholds >> 44 & 1),
    ];
    for (name, value) in values {
        sheet.attribute(&format!("{dir}/temp1_{name}"), value);
    }
}

/// Powers in microwatts.
fn power(sheet: &mut Sheet, fme: &str, number: u32, slot: &Slot) {
    const MICRO: u64 = 1_000_000;
    let dir = hwmon(sheet, fme, number, "dfl_fme_power");
    let (status, thresholds) = (slot.card.fme.peek(PWR_STATUS), slot.card.fme.peek(PWR_THRESHOLD));
    let at = |name: &str| format!("{dir}/power1_{name}");
    sheet.attribute(&at("input"), (status & 0x3_ffff) * MICRO);
    sheet.writable(&at("max"), (thresholds & 0x7f) * MICRO, Store::PowerMax);
    sheet.writable(&at("crit"), (thresholds >> 8 & 0x7f) * MICRO, Store::PowerCritical);
    sheet.attribute(&at("max_alarm"), thresholds >> 16 & 1);
    sheet.attribute(&at("crit_alarm"), thresholds >> 17 & 1);
    sheet.attribute(&at("xeon_limit"), 0);
    sheet.attribute(&at("fpga_limit"), 0);
    sheet.attribute(&at("ltr"), status >> 18 & 1);
}

/// Manager, and for each port a bridge and the region that it guards (`pr_mgmt_init` in `dfl-fme-pr.c`).
fn reconfiguration(sheet: &mut Sheet, fme: &str, slot: &Slot, bound: &Bound, manager: u32) {
    let name = format!("dfl-fme-mgr.{}", bound.fme);
    let dir = format!("{fme}/{name}");
    platform_device(sheet, &dir, &name, "dfl-fme-mgr", true);
    let class = format!("{dir}/fpga_manager/fpga{manager}");
    class_device(sheet, &class, "fpga_manager", "");
    sheet.attribute(&format!("{class}/name"), "DFL FME FPGA Manager");
    sheet.attribute(&format!("{class}/state"), slot.manager.state);
    sheet.text(&format!("{class}/status"), status_text(slot.manager.error));
    sheet.link(&format!("{class}/device"), &dir);
    for region in &bound.regions {
        bridge(sheet, fme, region);
        child_region(sheet, fme, region, slot);
    }
}

fn bridge(sheet: &mut Sheet, fme: &str, region: &Region) {
    let name = format!("dfl-fme-bridge.{}.auto", region.platform);
    let dir = format!("{fme}/{name}");
    platform_device(sheet, &dir, &name, "dfl-fme-bridge", true);
    let class = format!("{dir}/fpga_bridge/br{}", region.bridge);
    class_device(sheet, &class, "fpga_bridge", "");
    sheet.attribute(&format!("{class}/name"), "DFL FPGA FME Bridge");
    // The bridge driver has no way to tell, and the framework takes that for enabled.
    sheet.attribute(&format!("{class}/state"), "enabled");
    sheet.link(&format!("{class}/device"), &dir);
}

fn child_region(sheet: &mut Sheet, fme: &str, region: &Region, slot: &Slot) {
    let name = format!("dfl-fme-region.{}", region.platform);
    let dir = format!("{fme}/{name}");
    platform_device(sheet, &dir, &name, "dfl-fme-region", true);
    let class = format!("{dir}/fpga_region/region{}", region.region);
    class_device(sheet, &class, "fpga_region", "");
    sheet.link(&format!("{class}/device"), &dir);
    if let Some(id) = slot.spec.interface_id {
        sheet.attribute(&format!("{class}/compat_id"), id);
    }
}

/// The manager's `status`: one line an error (`drivers/fpga/fpga-mgr.c`).
fn status_text(error: u64) -> String {
    let lines = [
        (PR_ERR_OPERATION, "reconfig operation error\n"),
        (PR_ERR_CRC, "reconfig CRC error\n"),
        (PR_ERR_INCOMPATIBLE, "reconfig incompatible image\n"),
        (PR_ERR_PROTOCOL, "reconfig IP protocol error\n"),
        (PR_ERR_FIFO, "reconfig fifo overflow error\n"),
    ];
    lines.iter().filter(|(bit, _)| error & bit != 0).map(|(_, line)| *line).collect()
}
