//! Writes to attributes (`*_store` in `drivers/fpga`).

use nix::errno::Errno;

use super::{Host, Slot};
use crate::card::regs::*;

/// A writable attribute of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Store {
    /// `errors/errors` of a port: the value that is set clears it.
    PortErrors(usize),
    /// `errors/clear` of a port: the out-of-tree driver's name of the same.
    PortClear(usize),
    /// `ltr` of a port.
    PortLatency(usize),
    /// `ap1_event` of a port: 1 clears it.
    PortAp1(usize),
    /// `ap2_event` of a port.
    PortAp2(usize),
    /// `userclk_freqcmd` of a port.
    UserClockCommand(usize),
    /// `userclk_freqcntrcmd` of a port.
    UserClockCounterCommand(usize),
    /// `userclk/frequency` below a port: binary settings, which [`Host::set_clock`] takes.
    UserClockFrequency(usize),
    /// `errors/fme_errors`.
    FmeErrors,
    /// `errors/pcie0_errors`.
    Pcie0Errors,
    /// `errors/pcie1_errors`.
    Pcie1Errors,
    /// `errors/inject_errors`.
    InjectErrors,
    /// `power1_max`, microwatts.
    PowerMax,
    /// `power1_crit`, microwatts.
    PowerCritical,
    /// `sriov_numvfs`.
    NumVfs,
    /// `remove` of the PCI function.
    Remove,
}

impl Host {
    /// Writes `text` to an attribute of the card `index`.
    ///
    /// # Errors
    /// As the kernel's write(2) would answer; nothing changed then.
    pub fn store(&mut self, index: usize, attribute: Store, text: &str) -> nix::Result<()> {
        match attribute {
            Store::NumVfs => {
                let count = u16::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
                let slot = self.slots.get(index).ok_or(Errno::ENODEV)?;
                if usize::from(count) > slot.total_vfs() {
                    return Err(Errno::ERANGE);
                }
                return self.set_vfs(index, count.into());
            }
            Store::Remove => return self.remove_function(index, text),
            _ => {}
        }
        let slot = self.slots.get_mut(index).filter(|s| s.bound.is_some()).ok_or(Errno::ENODEV)?;
        let result = slot.store(attribute, text);
        slot.deliver_interrupts();
        result
    }
}

impl Host {
    /// Writes `settings` to `userclk/frequency` below a port of the card `index`.
    ///
    /// # Errors
    /// `EINVAL` unless they are the driver's structure with values that it takes.
    pub fn set_clock(&mut self, index: usize, port: usize, settings: &[u8]) -> nix::Result<()> {
        let slot = self.slots.get_mut(index).filter(|s| s.bound.is_some()).ok_or(Errno::ENODEV)?;
        let port = slot.card.ports.get_mut(port).ok_or(Errno::ENODEV)?;
        let taken = port.clock.configure(settings).then_some(()).ok_or(Errno::EINVAL);
        slot.touch();
        taken
    }
}

impl Slot {
    fn store(&mut self, attribute: Store, text: &str) -> nix::Result<()> {
        match attribute {
            Store::PortErrors(port) | Store::PortClear(port) => {
                self.clear_port_errors(port, number(text)?)
            }
            Store::PortLatency(port) => {
                let control = self.port_read(port, PORT_CTRL) & !PORT_LATENCY;
                self.port_write(
                    port,
                    PORT_CTRL,
                    if boolean(text)? { control | PORT_LATENCY } else { control },
                );
                Ok(())
            }
            Store::PortAp1(port) => self.clear_event(port, PORT_AP1, text),
            Store::PortAp2(port) => self.clear_event(port, PORT_AP2, text),
            Store::UserClockCommand(port) => {
                self.port_write(port, USRCLK_CMD0, number(text)?);
                Ok(())
            }
            Store::UserClockCounterCommand(port) => {
                self.port_write(port, USRCLK_CMD1, number(text)?);
                Ok(())
            }
            Store::FmeErrors => self.clear_fme(FME_ERROR, number(text)?),
            Store::Pcie0Errors => self.clear_fme(PCIE0_ERROR, number(text)?),
            Store::Pcie1Errors => self.clear_fme(PCIE1_ERROR, number(text)?),
            Store::InjectErrors => {
                let bits = number(text)?;
                if bits & !7 != 0 {
                    return Err(Errno::EINVAL);
                }
                self.card.fme_write(RAS_ERROR_INJECT, bits);
                Ok(())
            }
            Store::PowerMax => self.power_threshold(0, signed(text)?),
            Store::PowerCritical => self.power_threshold(8, signed(text)?),
            // Those of the PCI function are not the driver's.
            Store::NumVfs | Store::Remove => Err(Errno::EINVAL),
            Store::UserClockFrequency(_) => Err(Errno::EINVAL),
        }
    }

    /// Clears the errors if `value` is what they are (`afu_port_err_clear`).
    fn clear_port_errors(&mut self, port: usize, value: u64) -> nix::Result<()> {
        const AP6: u64 = 6;
        if self.port_read(port, PORT_STS) >> 8 & 0xf == AP6 {
            return Err(Errno::EBUSY);
        }
        self.disable_port(port);
        let errors = self.port_read(port, PORT_ERROR);
        let matches = errors == value;
        if matches {
            self.port_write(port, PORT_ERROR, errors);
            let first = self.port_read(port, PORT_FIRST_ERROR);
            self.port_write(port, PORT_FIRST_ERROR, first);
        }
        self.enable_port(port);
        if matches { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn clear_event(&mut self, port: usize, event: u64, text: &str) -> nix::Result<()> {
        if !boolean(text)? {
            return Err(Errno::EINVAL);
        }
        self.port_write(port, PORT_STS, event);
        Ok(())
    }

    fn clear_fme(&mut self, register: u64, value: u64) -> nix::Result<()> {
        if self.card.fme_read(register) != value {
            return Err(Errno::EINVAL);
        }
        self.card.fme_write(register, value);
        Ok(())
    }

    fn power_threshold(&mut self, shift: u32, microwatts: i64) -> nix::Result<()> {
        let watts = (microwatts / 1_000_000).clamp(0, 0x7f).cast_unsigned();
        let thresholds = self.card.fme_read(PWR_THRESHOLD) & !(0x7f << shift);
        self.card.fme_write(PWR_THRESHOLD, thresholds | watts << shift);
        Ok(())
    }
}

/// As the drivers read a number, by `kstrtou64` with base 0: decimal, `0x` hexadecimal or `0` octal; one newline may
/// follow. They answer `EINVAL` for numbers that are too large, too.
pub(super) fn number(text: &str) -> nix::Result<u64> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_prefix('+').unwrap_or(text);
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    if digits.starts_with(['+', '-']) {
        return Err(Errno::EINVAL);
    }
    u64::from_str_radix(digits, radix).map_err(|_| Errno::EINVAL)
}

/// As the hwmon core reads a number, by `kstrtol` with base 10.
fn signed(text: &str) -> nix::Result<i64> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.parse().map_err(|e: std::num::ParseIntError| match e.kind() {
        PosOverflow | NegOverflow => Errno::ERANGE,
        _ => Errno::EINVAL,
    })
}

/// As the kernel's `kstrtobool`.
fn boolean(text: &str) -> nix::Result<bool> {
    match text.bytes().next() {
        Some(b'y' | b'Y' | b't' | b'T' | b'1') => Ok(true),
        Some(b'n' | b'N' | b'f' | b'F' | b'0') => Ok(false),
        Some(b'o' | b'O') => match text.as_bytes().get(1) {
            Some(b'n' | b'N') => Ok(true),
            Some(b'f' | b'F') => Ok(false),
            _ => Err(Errno::EINVAL),
        },
        _ => Err(Errno::EINVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_the_kernel_reads_them() {
        assert_eq!(number("0x1f\n"), Ok(0x1f));
        assert_eq!(number("010"), Ok(8));
        assert_eq!(number("0"), Ok(0));
        assert_eq!(number("12 "), Err(Errno::EINVAL));
        assert_eq!(number(""), Err(Errno::EINVAL));
        assert_eq!(number("0x10000000000000000"), Err(Errno::EINVAL));
        assert_eq!(signed("-0010\n"), Ok(-10));
        assert_eq!(signed("0x10"), Err(Errno::EINVAL));
        assert_eq!(signed("-9223372036854775809"), Err(Errno::ERANGE));
    }
}
