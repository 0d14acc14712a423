//! The generator of a port's user clock.
//!
//! The cards of port revision 0 have a fractional PLL behind registers of the port: a command reads or writes one of its
//! registers when its sequence number changes, and the status shows the number when that is done. The others have an
//! integer PLL, which is modelled by what its driver is given. Facts: `user_clk_pgm_uclock.h` of OFS/opae-sdk at
//! 9a0249ab, `dfl-intel-s10-iopll.c` of OFS/linux-dfl. Written independently of any client.

use std::collections::BTreeMap;

use super::regs::*;

/// Which generator a card has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generator {
    /// A fractional PLL with a reference of 100 MHz.
    Fractional,
    /// The same of older boards, whose second input has the reference.
    FractionalOlder,
    /// An integer PLL with a reference of 100 MHz.
    Integer,
    /// None that a driver of the kernel sets.
    None,
}

/// A generator and what it was told.
#[derive(Debug, Clone)]
pub struct Clock {
    generator: Generator,
    /// Registers of the fractional PLL.
    pll: BTreeMap<u64, u8>,
    command: u64,
    /// What the last command read or wrote.
    data: u8,
    counter: u64,
    /// False from a change of settings to the next calibration.
    is_calibrated: bool,
    /// Both outputs of the integer PLL, the slower first, in kHz.
    outputs: (u64, u64),
}

/// Command and status 0: the second reference, the machine runs, a sequence number, write.
const SECOND: u64 = 1 << 58;
const RUNS: u64 = 1 << 52;
const SEQUENCE: u64 = 3 << 48;
const WRITE: u64 = 1 << 44;
/// Status 0: locked.
const LOCKED: u64 = 1 << 60;
/// Command and status 1: the faster output is counted.
const FAST: u64 = 1 << 32;

const ID: u64 = 0x200;
const POWER: u64 = 0x2e0;
const SETTINGS: std::ops::Range<u64> = 0x10f..0x143;

impl Clock {
    /// As it is after power-up: 100 and 50 MHz.
    pub(super) fn new(generator: Generator) -> Self {
        let mut pll = BTreeMap::from([(0x10f, 15), (0x110, 30), (0x12b, 30), (0x12c, 8)]);
        match generator {
            Generator::Fractional => pll.extend([(ID, 6)]),
            Generator::FractionalOlder => {
                pll.extend([(ID, 7), (0x12b, 25), (0x12c, 16)]);
                pll.extend((0x12d..=0x130).map(|address| (address, 0x99)));
            }
            Generator::Integer | Generator::None => {}
        }
        Self {
            generator,
            pll,
            command: 0,
            data: 0,
            counter: 0,
            is_calibrated: true,
            outputs: (50_000, 100_000),
        }
    }

    /// True when the port's header has the registers.
    #[must_use]
    pub fn has_registers(&self) -> bool {
        matches!(self.generator, Generator::Fractional | Generator::FractionalOlder)
    }

    /// True of an integer PLL.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        self.generator == Generator::Integer
    }

    /// A register of the port; `is_dead` where the generator does not lock, whatever it is told.
    pub(super) fn read(&self, offset: u64, is_dead: bool) -> u64 {
        if !self.has_registers() {
            return 0;
        }
        match offset {
            USRCLK_CMD0 => self.command,
            USRCLK_CMD1 => self.counter,
            USRCLK_STS0 => {
                let locked = if self.is_locked() && !is_dead { LOCKED } else { 0 };
                self.command & (SECOND | RUNS | SEQUENCE | WRITE | 0x3ff << 32)
                    | locked
                    | u64::from(self.data)
            }
            USRCLK_STS1 => {
                let version = if self.generator == Generator::Fractional { 3 } else { 1 };
                let output = self.output(self.counter & FAST != 0);
                version << 60 | self.counter & FAST | (output / 10)
            }
            _ => 0,
        }
    }

    pub(super) fn write(&mut self, offset: u64, value: u64) {
        match offset {
            USRCLK_CMD0 => {
                let before = std::mem::replace(&mut self.command, value);
                // A machine in reset forgets the number.
                let sequence = if before & RUNS == 0 { 0 } else { before & SEQUENCE };
                if value & RUNS != 0 && value & SEQUENCE != sequence {
                    self.access(value >> 32 & 0x3ff, value & WRITE != 0, value.to_le_bytes()[0]);
                }
            }
            USRCLK_CMD1 => self.counter = value,
            _ => {}
        }
    }

    fn access(&mut self, address: u64, is_write: bool, value: u8) {
        /// Who has the PLL's bus, and what is calibrated when it is given away.
        const BUS: u64 = 0;
        const CALIBRATE: u64 = 0x100;
        if !is_write {
            self.data = self.register(address);
            return;
        }
        self.data = value;
        match address {
            ID => return,
            BUS if value == 1 => self.is_calibrated |= self.register(CALIBRATE) & 2 != 0,
            a if SETTINGS.contains(&a) && self.register(a) != value => self.is_calibrated = false,
            _ => {}
        }
        self.pll.insert(address, value);
    }

    fn register(&self, address: u64) -> u8 {
        self.pll.get(&address).copied().unwrap_or(0)
    }

    fn is_locked(&self) -> bool {
        self.register(POWER) & 3 != 3 && self.is_calibrated
    }

    /// An output of the fractional PLL in kHz; 0 while it does not run.
    fn output(&self, is_fast: bool) -> u64 {
        let reference = match (self.generator, self.command & SECOND != 0) {
            (Generator::Fractional, false) => 100_000,
            // They start with the second selected, until the first command says otherwise.
            (Generator::FractionalOlder, second) if second || self.command == 0 => 234_375,
            _ => 0,
        };
        let byte = |address| u128::from(self.register(address));
        let factor = (0..4).fold(byte(0x12b) << 32, |sum, n| sum | byte(0x12d + n) << (8 * n));
        let divider = 2 * (byte(0x12c) >> 3) * byte(if is_fast { 0x10f } else { 0x110 });
        if !self.is_locked() || divider == 0 {
            return 0;
        }
        // Rounded, as a counter of many periods is.
        let khz = (reference * factor + (divider << 31)) / (divider << 32);
        u64::try_from(khz).unwrap_or(0)
    }

    /// What the driver of the integer PLL measures: the slower and the faster output in kHz.
    #[must_use]
    pub fn outputs(&self) -> (u64, u64) {
        self.outputs
    }

    /// What the driver of the integer PLL is told: its `struct pll_config`. False when it refuses that.
    pub(crate) fn configure(&mut self, bytes: &[u8]) -> bool {
        let words: Vec<u32> = bytes.as_chunks().0.iter().map(|w| u32::from_ne_bytes(*w)).collect();
        let (32, [khz, m, n, c1, c0, ..]) = (bytes.len(), &words[..]) else { return false };
        if !(10_000..=600_000).contains(khz) {
            return false;
        }
        let count = |word: &u32| match word >> 16 & 1 {
            1 => 1,
            _ => u64::from((word >> 8 & 0xff) + (word & 0xff)),
        };
        let output = |c: &u32| (100_000 * count(m)).checked_div(count(n) * count(c));
        let (Some(slow), Some(fast)) = (output(c1), output(c0)) else { return false };
        // The counter's unit.
        self.outputs = (slow / 10 * 10, fast / 10 * 10);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(clock: &mut Clock, sequence: u64, address: u64, write: Option<u64>) -> u64 {
        let data = write.map_or(0, |value| WRITE | value);
        clock.write(USRCLK_CMD0, RUNS | sequence << 48 | address << 32 | data);
        clock.read(USRCLK_STS0, false)
    }

    #[test]
    fn a_command_acts_once_for_each_sequence_number() {
        let mut clock = Clock::new(Generator::Fractional);
        assert_eq!(clock.read(USRCLK_STS0, false), LOCKED);
        assert_eq!(command(&mut clock, 1, ID, None) & (SEQUENCE | 0xff), 1 << 48 | 6);
        command(&mut clock, 2, 0x10f, Some(5));
        command(&mut clock, 2, 0x10f, Some(7));
        assert_eq!(command(&mut clock, 3, 0x10f, None) & 0xff, 5);
    }

    #[test]
    fn it_counts_either_output_and_locks_only_when_calibrated() {
        let mut clock = Clock::new(Generator::Fractional);
        assert_eq!(clock.read(USRCLK_STS1, false), 3 << 60 | 5_000);
        clock.write(USRCLK_CMD1, FAST);
        assert_eq!(clock.read(USRCLK_STS1, false), 3 << 60 | FAST | 10_000);
        assert_eq!(command(&mut clock, 1, 0x10f, Some(5)) & LOCKED, 0);
        command(&mut clock, 2, 0x100, Some(2));
        assert_eq!(command(&mut clock, 3, 0, Some(1)) & LOCKED, LOCKED);
        assert_eq!(clock.read(USRCLK_STS1, false) & 0x1_ffff, 30_000);
        assert_eq!(clock.read(USRCLK_STS0, true) & LOCKED, 0);
    }
}
