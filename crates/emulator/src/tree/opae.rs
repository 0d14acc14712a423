//! A card on the out-of-tree driver of Intel's OPAE stack: `class/fpga/intel-fpga-dev.N`.

use super::pci;
use super::port;
use super::sheet::Sheet;
use crate::card::regs::*;
use crate::host::store::Store;
use crate::host::{Bound, Node, Slot, Unit};

/// Character device majors of the two kinds of node.
const FME_MAJOR: u32 = 240;
const PORT_MAJOR: u32 = 239;

pub(super) fn card(sheet: &mut Sheet, index: usize, slot: &Slot, bound: &Bound) {
    let base = device(sheet, &pci::dir(slot.spec.pci), bound.region);
    let name = format!("intel-fpga-fme.{}", bound.fme);
    let fme = format!("{base}/{name}");
    platform_device(
        sheet,
        &fme,
        &name,
        (FME_MAJOR, bound.fme),
        Node { slot: index, unit: Unit::Fme },
    );
    management(sheet, &fme, slot);
    for (number, device) in bound.ports.iter().enumerate().filter(|(n, _)| !slot.ports[*n].released)
    {
        port_device(
            sheet,
            &base,
            *device,
            slot,
            Node { slot: index, unit: Unit::Port(number) },
            number,
        );
    }
    for vf in &bound.vfs {
        let base = device(sheet, &pci::dir(vf.address), vf.region);
        port_device(
            sheet,
            &base,
            vf.device,
            slot,
            Node { slot: index, unit: Unit::Port(vf.port) },
            vf.port,
        );
    }
}

fn device(sheet: &mut Sheet, pci: &str, number: u32) -> String {
    let dir = format!("{pci}/fpga/intel-fpga-dev.{number}");
    sheet.text(&format!("{dir}/uevent"), String::new());
    sheet.link(&format!("{dir}/device"), pci);
    sheet.link(&format!("{dir}/subsystem"), "sys/class/fpga");
    sheet.link(&format!("sys/class/fpga/intel-fpga-dev.{number}"), &dir);
    dir
}

fn platform_device(
    sheet: &mut Sheet,
    dir: &str,
    name: &str,
    (major, minor): (u32, u32),
    node: Node,
) {
    sheet.attribute(&format!("{dir}/dev"), format_args!("{major}:{minor}"));
    sheet.text(&format!("{dir}/uevent"), format!("MAJOR={major}\nMINOR={minor}\nDEVNAME={name}\n"));
    sheet.link(&format!("{dir}/subsystem"), "sys/bus/platform");
    sheet.link(&format!("sys/bus/platform/devices/{name}"), dir);
    sheet.link(&format!("sys/dev/char/{major}:{minor}"), dir);
    sheet.link(&format!("dev/char/{major}:{minor}"), &format!("dev/{name}"));
    sheet.node(name, Some(node));
}

fn port_device(sheet: &mut Sheet, base: &str, device: u32, slot: &Slot, node: Node, number: usize) {
    let name = format!("intel-fpga-port.{device}");
    let dir = format!("{base}/{name}");
    platform_device(sheet, &dir, &name, (PORT_MAJOR, device), node);
    port::attributes(sheet, &dir, slot, number);
    sheet.command(&format!("{dir}/errors/clear"), Store::PortClear(number));
}

fn management(sheet: &mut Sheet, dir: &str, slot: &Slot) {
    let fme = &slot.card.fme;
    let capabilities = fme.peek(FME_CAP);
    let at = |name: &str| format!("{dir}/{name}");
    let hex = |register| format!("{:#x}", fme.peek(register));
    sheet.attribute(&at("ports_num"), capabilities >> 17 & 7);
    sheet.attribute(&at("bitstream_id"), hex(BITSTREAM_ID));
    sheet.attribute(&at("bitstream_metadata"), hex(BITSTREAM_MD));
    sheet.attribute(&at("cache_size"), capabilities >> 32 & 0xfff);
    sheet.attribute(&at("fabric_version"), capabilities & 0xff);
    sheet.attribute(&at("socket_id"), capabilities >> 8 & 1);
    sheet.attribute(&at("thermal_mgmt/temperature"), fme.peek(THERM_SENSOR) & 0x7f);
    sheet.attribute(
        &at("power_mgmt/consumed"),
        format_args!("{:#x}", fme.peek(PWR_STATUS) & 0x3_ffff),
    );
    sheet.attribute(&at("errors/fme-errors/errors"), hex(FME_ERROR));
    sheet.attribute(&at("errors/fme-errors/first_error"), hex(FME_FIRST_ERROR));
    sheet.attribute(&at("errors/fme-errors/next_error"), hex(FME_NEXT_ERROR));
    sheet.command(&at("errors/fme-errors/clear"), Store::FmeErrors);
    sheet.writable(&at("errors/pcie0_errors"), hex(PCIE0_ERROR), Store::Pcie0Errors);
    sheet.writable(&at("errors/pcie1_errors"), hex(PCIE1_ERROR), Store::Pcie1Errors);
    sheet.writable(
        &at("errors/inject_error"),
        format_args!("{:#x}", fme.peek(RAS_ERROR_INJECT) & 7),
        Store::InjectErrors,
    );
    sheet.attribute(&at("errors/nonfatal_errors"), hex(RAS_NONFATAL_ERROR));
    sheet.attribute(&at("errors/catfatal_errors"), hex(RAS_CATFATAL_ERROR));
    if let Some(id) = slot.spec.interface_id {
        sheet.attribute(&at("pr/interface_id"), id);
    }
}
