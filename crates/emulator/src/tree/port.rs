//! Attributes of a port, for both drivers.

use nix::errno::Errno;

use super::sheet::Sheet;
use crate::card::afu::Fault;
use crate::card::regs::*;
use crate::host::Slot;
use crate::host::store::Store;

/// `id`, `afu_id`, power and clock attributes (`Documentation/ABI/testing/sysfs-platform-dfl-port`).
pub(super) fn attributes(sheet: &mut Sheet, dir: &str, slot: &Slot, port: usize) {
    let (registers, state) = (&slot.card.ports[port], &slot.ports[port]);
    let at = |name: &str| format!("{dir}/{name}");
    sheet.attribute(&at("id"), port);
    if state.disabled > 0 {
        sheet.deny(&at("afu_id"), Errno::EBUSY);
    } else {
        sheet.attribute(&at("afu_id"), registers.function());
    }
    let status = registers.peek(PORT_STS);
    sheet.attribute(&at("power_state"), format_args!("0x{:x}", status >> 8 & 0xf));
    sheet.writable(&at("ap1_event"), u8::from(status & PORT_AP1 != 0), Store::PortAp1(port));
    sheet.writable(&at("ap2_event"), u8::from(status & PORT_AP2 != 0), Store::PortAp2(port));
    sheet.writable(
        &at("ltr"),
        u8::from(registers.peek(PORT_CTRL) & PORT_LATENCY != 0),
        Store::PortLatency(port),
    );
    clock(sheet, dir, slot, port);
    errors(sheet, dir, slot, port);
}

fn clock(sheet: &mut Sheet, dir: &str, slot: &Slot, port: usize) {
    let registers = &slot.card.ports[port];
    let at = |name: &str| format!("{dir}/{name}");
    if registers.clock.has_registers() {
        let hex = |register| format!("{:#x}", registers.peek(register));
        sheet.command(&at("userclk_freqcmd"), Store::UserClockCommand(port));
        sheet.command(&at("userclk_freqcntrcmd"), Store::UserClockCounterCommand(port));
        sheet.attribute(&at("userclk_freqsts"), hex(USRCLK_STS0));
        sheet.attribute(&at("userclk_freqcntrsts"), hex(USRCLK_STS1));
    }
    if registers.clock.is_integer() {
        let device = if slot.is_opae() { "intel-pac-iopll.0.auto" } else { "dfl_dev.0" };
        if !slot.is_opae() {
            sheet.attribute(&at("dfl_dev.0/feature_id"), "0x14");
            sheet.attribute(&at("dfl_dev.0/feature_rev"), 0);
        }
        let frequency = at(&format!("{device}/userclk/frequency"));
        let (slow, fast) = registers.clock.outputs();
        if registers.fault == Fault::Clock {
            sheet.deny(&frequency, Errno::EBUSY);
        } else {
            let text = format!("{slow} {fast}");
            sheet.writable(&frequency, text, Store::UserClockFrequency(port));
        }
    }
}

fn errors(sheet: &mut Sheet, dir: &str, slot: &Slot, port: usize) {
    let registers = &slot.card.ports[port];
    let at = |name: &str| format!("{dir}/errors/{name}");
    sheet.writable(
        &at("errors"),
        format_args!("{:#x}", registers.peek(PORT_ERROR)),
        Store::PortErrors(port),
    );
    sheet.attribute(&at("first_error"), format_args!("{:#x}", registers.peek(PORT_FIRST_ERROR)));
    let malformed = (registers.peek(PORT_MALFORMED1), registers.peek(PORT_MALFORMED0));
    sheet.attribute(
        &at("first_malformed_req"),
        format_args!("0x{:016x}{:016x}", malformed.0, malformed.1),
    );
}
