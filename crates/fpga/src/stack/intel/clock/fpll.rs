//! The fractional PLL of Arria 10 cards, behind four registers of the port.
//!
//! Two of them are commands, two their status. Command 0 reads or writes a register of the PLL, by a machine of its own:
//! the command carries a sequence number, and is done when the status shows it. Command 1 chooses which output is
//! counted. Facts: `user_clk_pgm_uclock.c` and `.h` of OFS/opae-sdk at 9a0249ab, the last version that sets this PLL;
//! the registers' addresses and settings are of `user_clk_pgm_uclock_freq_template.h` and `..._template_322.h` there.

use std::cell::Cell;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::stack::{Cause, Clock, Device, Error, Frequencies};
use crate::sysfs;

/// The faster output, in whole MHz. The tables go on to 1,200, where they switch this output off.
const RANGE: std::ops::RangeInclusive<u32> = 25..=600;
/// The oscillator runs at least at this, in MHz, before its outputs are divided.
const OSCILLATOR: u32 = 3000;

/// References by version and id of the PLL: how the board is wired.
const REFERENCES: &str = include_str!("../../../../data/fpll-references.tsv");

/// Time for a command, and for the PLL to lock.
const COMMAND: Duration = Duration::from_millis(100);
/// Time for a calibration.
const CALIBRATION: Duration = Duration::from_millis(1000);
/// Time for what nothing reports, such as power.
const SETTLING: Duration = Duration::from_millis(1);
/// Time of the frequency counter.
const COUNTER: Duration = Duration::from_millis(10);

/// Command 0: the second reference.
const SECOND_REFERENCE: u64 = 1 << 58;
/// Command 0: resets the PLL's management.
const MANAGEMENT_RESET: u64 = 1 << 56;
/// Command 0: the machine runs.
const MACHINE_RUNS: u64 = 1 << 52;
/// Command 0: the register is written.
const WRITE: u64 = 1 << 44;
/// Command 1 and status 1: the faster output is counted.
const COUNT_FAST: u64 = 1 << 32;
/// Status 0: calibrating.
const BUSY: u64 = 1 << 61;
/// Status 0: locked.
const LOCKED: u64 = 1 << 60;

/// Registers of the PLL: who has its bus, calibration, its id, and its power.
const BUS: u16 = 0x000;
const CALIBRATE: u16 = 0x100;
const ID: u16 = 0x200;
const POWER: u16 = 0x2e0;

#[derive(Debug)]
pub(super) struct Fpll {
    port: PathBuf,
    /// Command 0 as it was last written: the machine's bits, and those that stay from one command to the next.
    machine: Cell<u64>,
    held: Cell<u64>,
}

/// A reference clock of a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reference {
    is_second: bool,
    /// In kHz.
    khz: u64,
    /// What it is divided by before the oscillator.
    divisor: u8,
}

/// What is written to a register of the PLL, in the bits of a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Setting {
    address: u16,
    mask: u8,
    value: u8,
}

impl Fpll {
    /// That of a port which has the registers.
    pub(super) fn of(port: &Device) -> Option<Self> {
        let has_registers = port.attribute("userclk_freqcmd").exists();
        let (machine, held) = (Cell::new(0), Cell::new(0));
        has_registers.then(|| Self { port: port.dir.clone(), machine, held })
    }

    fn read(&self, name: &str) -> Result<u64, Error> {
        let path = self.port.join(name);
        match sysfs::read_number(&path) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(Error::new(Cause::Other, format!("{}: no number", path.display()))),
            Err(error) => Err(Error::attribute(&path, "read", error)),
        }
    }

    fn status(&self) -> Result<u64, Error> {
        self.read("userclk_freqsts")
    }

    fn write(&self, name: &str, value: u64) -> Result<(), Error> {
        let path = self.port.join(name);
        sysfs::write(&path, format!("{value:#x}"))
            .map_err(|errno| Error::attribute(&path, "write", errno.into()))
    }

    fn command(&self) -> Result<(), Error> {
        self.write("userclk_freqcmd", self.held.get() | self.machine.get())
    }

    /// Waits until `is_done` of the attribute `name`, for `time` at most.
    fn wait(
        &self,
        name: &str,
        time: Duration,
        what: &str,
        is_done: impl Fn(u64) -> bool,
    ) -> Result<u64, Error> {
        let deadline = Deadline::after(time);
        // Most are done at once.
        for pause in std::iter::once(Duration::ZERO).chain(std::iter::repeat(SETTLING)) {
            sleep(pause);
            let is_over = deadline.left().is_zero();
            let value = self.read(name)?;
            if is_done(value) {
                return Ok(value);
            }
            if is_over {
                break;
            }
        }
        let path = self.port.join(name);
        Err(Error::new(Cause::Other, format!("the clock generator {what} ({})", path.display())))
    }

    /// One command of the machine; the register's value if it is one that reads.
    fn access(&self, address: u16, write: Option<u8>) -> Result<u8, Error> {
        const SEQUENCE: u64 = 3 << 48;
        // Another number than the last command's, or nothing happens.
        let sequence = (self.machine.get() + (1 << 48)) & SEQUENCE;
        let data = write.map_or(0, |value| WRITE | u64::from(value));
        self.machine.set(sequence | u64::from(address) << 32 | data);
        self.command()?;
        let what = format!("does not answer at register {address:#x}");
        let is_done = |status| status & SEQUENCE == sequence;
        let status = self.wait("userclk_freqsts", COMMAND, &what, is_done)?;
        Ok(u8::try_from(status & 0xff).unwrap_or_default())
    }

    fn change(&self, setting: Setting) -> Result<(), Error> {
        let Setting { address, mask, value } = setting;
        let before = self.access(address, None)?;
        self.access(address, Some(before & !mask | value & mask)).map(drop)
    }

    fn change_and_verify(&self, setting: Setting) -> Result<(), Error> {
        self.change(setting)?;
        let Setting { address, mask, value } = setting;
        let found = self.access(address, None)?;
        if found & mask == value & mask {
            return Ok(());
        }
        let message = format!(
            "the clock generator's register {address:#x} reads {found:#04x} after {value:#04x} was written to \
             the bits {mask:#04x} ({})",
            self.port.display()
        );
        Err(Error::new(Cause::Other, message))
    }

    fn calibrated(&self) -> Result<(), Error> {
        let is_done = |status| status & BUSY == 0;
        self.wait("userclk_freqsts", CALIBRATION, "does not finish its calibration", is_done)
            .map(drop)
    }

    /// Resets the machine and finds out how the board is wired.
    fn reset(&self) -> Result<Reference, Error> {
        self.calibrated()?;
        self.machine.set(0);
        for bits in [MANAGEMENT_RESET, MACHINE_RUNS] {
            self.held.set(bits);
            self.command()?;
        }
        self.calibrated()?;
        let version = self.read("userclk_freqcntrsts")? >> 60;
        let id = self.access(ID, None)?;
        references().find(|row| (row.0, row.1) == (version, id)).map(|row| row.2).ok_or_else(|| {
            let message = format!(
                "the clock generator is of an unknown kind: version {version}, id {id:#04x} ({})",
                self.port.display()
            );
            Error::new(Cause::Other, message)
        })
    }

    fn recalibrate(&self) -> Result<(), Error> {
        self.calibrated()?;
        self.change_and_verify(Setting { address: BUS, mask: 0xff, value: 2 })?;
        self.change(Setting { address: CALIBRATE, mask: 2, value: 2 })?;
        // The bus goes to the calibration, so this cannot be read back.
        self.access(BUS, Some(1))?;
        sleep(SETTLING);
        self.calibrated()
    }

    fn count(&self, output: u64) -> Result<u32, Error> {
        /// In bits 16:0, in units of 10 kHz.
        const FREQUENCY: u64 = 0x1_ffff;
        self.write("userclk_freqcntrcmd", output)?;
        sleep(COUNTER);
        let is_done = |status| status & COUNT_FAST == output;
        let status = self.wait("userclk_freqcntrsts", COMMAND, "does not count", is_done)?;
        Ok(u32::try_from(status & FREQUENCY).unwrap_or_default() * 10)
    }
}

impl Clock for Fpll {
    fn nearest(&self, wanted: Frequencies) -> Option<Frequencies> {
        let mhz = wanted.fast / 1000;
        RANGE.contains(&mhz).then_some(Frequencies { fast: mhz * 1000, slow: mhz * 500 })
    }

    fn set(&self, wanted: Frequencies) -> Result<(), Error> {
        let reference = self.reset()?;
        let power = |value| self.change_and_verify(Setting { address: POWER, mask: 3, value });
        power(3)?;
        sleep(SETTLING);
        let is_off = |status| status & LOCKED == 0;
        self.wait("userclk_freqsts", COMMAND, "stays locked without power", is_off)?;
        if reference.is_second {
            self.held.set(self.held.get() | SECOND_REFERENCE);
        }
        self.command()?;
        sleep(SETTLING);
        for setting in settings(wanted.fast / 1000, reference) {
            self.change_and_verify(setting)?;
        }
        self.recalibrate()?;
        power(2)?;
        self.wait("userclk_freqsts", COMMAND, "does not lock", |status| status & LOCKED != 0)?;
        Ok(())
    }

    fn measure(&self) -> Result<Frequencies, Error> {
        if self.status()? & LOCKED == 0 {
            let message = format!("the clock generator is not locked ({})", self.port.display());
            return Err(Error::new(Cause::Other, message));
        }
        let slow = self.count(0)?;
        let fast = self.count(COUNT_FAST)?;
        Ok(Frequencies { fast, slow })
    }
}

/// The registers for `mhz` of the faster output, in the order in which OPAE writes them.
///
/// The oscillator runs at the reference times M and a fraction of 2^32; half of that is divided by C for the slower
/// output and by half of C for the faster. OPAE has a table of all this; this is the rule that it follows.
fn settings(mhz: u32, reference: Reference) -> [Setting; 14] {
    let c = OSCILLATOR.div_ceil(mhz).next_multiple_of(2);
    let divisor = u64::from(reference.divisor);
    let factor =
        ((u128::from(mhz * c) * 1000 * u128::from(divisor)) << 32) / u128::from(reference.khz);
    let m = factor >> 32;
    // A fraction of 0 would switch off the part of the PLL that makes fractions.
    let [.., k3, k2, k1, k0] = (factor & 0xffff_ffff).max(1).to_be_bytes();
    let byte = |value: u128| u8::try_from(value).unwrap_or(u8::MAX);
    let set = |address, mask, value| Setting { address, mask, value };
    [
        set(0x10f, 0xff, byte((c / 2).into())),
        set(0x110, 0xff, byte(c.into())),
        set(0x111, 0xff, 0x30),
        set(0x12a, 0xfc, 0xe4),
        set(0x12b, 0xff, byte(m)),
        set(0x12c, 0xff, reference.divisor << 3),
        set(0x12d, 0xff, k0),
        set(0x12e, 0xff, k1),
        set(0x12f, 0xff, k2),
        set(0x130, 0xff, k3),
        set(0x133, 0x7f, 0x0a),
        set(0x134, 0x7c, 0x10),
        set(0x135, 0xff, 0x03),
        set(0x142, 0x7f, 0x04),
    ]
}

/// By version and id.
fn references() -> impl Iterator<Item = (u64, u8, Reference)> {
    REFERENCES.lines().skip(1).filter_map(|line| {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        let (version, id) = (next()?.parse().ok()?, u8::from_str_radix(next()?, 16).ok()?);
        let is_second = next()? == "1";
        let (khz, divisor) = (next()?.parse().ok()?, next()?.parse().ok()?);
        Some((version, id, Reference { is_second, khz, divisor }))
    })
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// Of the words of OPAE's tables for 25 to 600 MHz, each big-endian: an address, a mask and a value.
    const DIGESTS: [(u8, &str); 2] = [
        (6, "5862db061581883f28c4239b4df52442bd0d49b671628e4da4a888c65ec04557"),
        (7, "09e63c4cec860cee571d6ea8d0e1b785b2b3d9f793b630ab2aacf777c8b4941e"),
    ];

    #[test]
    fn the_rule_gives_every_setting_of_opaes_tables() {
        for (id, expected) in DIGESTS {
            let (.., reference) = references().find(|row| row.1 == id).unwrap();
            let mut digest = Sha256::new();
            for Setting { address, mask, value } in RANGE.flat_map(|mhz| settings(mhz, reference)) {
                digest.update(address.to_be_bytes());
                digest.update([mask, value]);
            }
            let digest: String =
                digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digest, expected, "id {id}");
        }
    }

    #[test]
    fn every_reference_is_whole() {
        assert_eq!(references().count(), REFERENCES.lines().count() - 1);
        assert!(references().all(|(_, _, reference)| reference.khz > 0 && reference.divisor > 0));
    }
}
