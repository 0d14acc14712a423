//! The IO PLL of Stratix 10 and Agilex cards, through a driver that takes its settings as they are.
//!
//! A write to `frequency` is a `struct pll_config` of the driver: eight 32-bit numbers in the order of the tables, in
//! the machine's byte order. Reading it measures: both frequencies in kHz, the slower first (`frequency_show` and
//! `frequency_store` in `dfl-intel-s10-iopll.c`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

use crate::deadline::Deadline;
use crate::stack::{Cause, Clock, Error, Frequencies};
use crate::sysfs::{self, AttrError};

/// The attribute, from the device.
pub(super) const FREQUENCY: &str = "userclk/frequency";

/// Of the tables: by the slower frequency in whole MHz, what the generator runs at and its settings, for a reference
/// of 100 MHz. The numbers are those of `fpga_user_clk_freq.h` in OFS/opae-sdk at c52aef5a.
const STRATIX_10: &str = include_str!("../../../../data/iopll-s10.tsv");
const AGILEX: &str = include_str!("../../../../data/iopll-agilex.tsv");
/// Reference of both, in kHz.
const REFERENCE: u64 = 100_000;

/// How long the generator may take to lock before it is read.
const LOCK: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(super) struct Iopll {
    attribute: PathBuf,
    table: &'static str,
    /// Where it is set first: going from one end of the range to the other directly sometimes fails (`slow_freq` in
    /// `fpga_user_clk_type1.c`). In MHz.
    between: u32,
}

/// The fields of `struct pll_config`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settings([u32; 8]);

impl Iopll {
    pub(super) fn new(device: &Path) -> Result<Self, Error> {
        let path = device.join("feature_rev");
        let revision =
            sysfs::read_number(&path).map_err(|error| Error::attribute(&path, "read", error))?;
        let (table, between) = match revision {
            // Older drivers know the first one only.
            None | Some(0) => (STRATIX_10, 150),
            Some(1) => (AGILEX, 200),
            Some(other) => {
                let message = format!(
                    "its generator is of the unknown revision {other} ({})",
                    path.display()
                );
                return Err(Error::new(Cause::Gone, message));
            }
        };
        Ok(Self { attribute: device.join(FREQUENCY), table, between })
    }

    fn settings(&self, mhz: u32) -> Option<Settings> {
        rows(self.table).find(|row| row.0 == mhz).map(|row| row.1)
    }

    fn write(&self, settings: Settings) -> Result<(), Error> {
        let bytes: Vec<u8> = settings.0.iter().flat_map(|word| word.to_ne_bytes()).collect();
        sysfs::write(&self.attribute, bytes)
            .map_err(|errno| Error::attribute(&self.attribute, "write", errno.into()))
    }
}

impl Clock for Iopll {
    fn nearest(&self, wanted: Frequencies) -> Option<Frequencies> {
        self.settings(wanted.slow / 1000)?.frequencies()
    }

    fn set(&self, wanted: Frequencies) -> Result<(), Error> {
        let mhz = wanted.slow / 1000;
        let steps = [self.between, mhz].into_iter().skip(usize::from(mhz == self.between));
        for settings in steps.filter_map(|mhz| self.settings(mhz)) {
            self.write(settings)?;
        }
        Ok(())
    }

    fn measure(&self) -> Result<Frequencies, Error> {
        let deadline = Deadline::after(LOCK);
        loop {
            let read = sysfs::read(&self.attribute);
            if let Ok(Some(frequencies)) = read.as_ref().map(|text| text.as_deref().and_then(parse))
            {
                return Ok(frequencies);
            }
            if deadline.left().is_zero() {
                return Err(match read {
                    Ok(_) => Error::new(
                        Cause::Other,
                        format!("{}: no two frequencies", self.attribute.display()),
                    ),
                    Err(error) => Error::attribute(&self.attribute, "read", error),
                });
            }
            // It answers EBUSY until it is locked.
            match read {
                Ok(_) | Err(AttrError::Os(Errno::EBUSY) | AttrError::NotText) => {
                    std::thread::sleep(POLL)
                }
                Err(error) => return Err(Error::attribute(&self.attribute, "read", error)),
            }
        }
    }
}

fn parse(text: &str) -> Option<Frequencies> {
    let (slow, fast) = text.split_once(' ')?;
    Some(Frequencies { fast: fast.parse().ok()?, slow: slow.parse().ok()? })
}

fn rows(table: &'static str) -> impl Iterator<Item = (u32, Settings)> {
    table.lines().skip(1).filter_map(|line| {
        let (mhz, rest) = line.split_once('\t')?;
        let (khz, words) = rest.split_once('\t')?;
        let mut settings = [khz.parse().ok()?, 0, 0, 0, 0, 0, 0, 0];
        for (word, digits) in settings[1..].iter_mut().zip(words.split('\t')) {
            *word = u32::from_str_radix(digits, 16).ok()?;
        }
        Some((mhz.parse().ok()?, Settings(settings)))
    })
}

impl Settings {
    /// What comes of them: the reference times M by N is divided by C1 for the slower output, by C0 for the faster.
    fn frequencies(self) -> Option<Frequencies> {
        let [_, m, n, c1, c0, ..] = self.0.map(divider);
        let output = |c| u32::try_from((REFERENCE * m).checked_div(n * c)?).ok();
        Some(Frequencies { fast: output(c0)?, slow: output(c1)? })
    }
}

/// A counter is high for as many cycles as bits 15:8 say and low for bits 7:0; with bit 16 it is passed by.
fn divider(word: u32) -> u64 {
    if word >> 16 & 1 == 1 { 1 } else { u64::from((word >> 8 & 0xff) + (word & 0xff)) }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// Of the tables' words as they are written, on a little-endian machine, by OPAE.
    const DIGESTS: [(&str, &str); 2] = [
        (STRATIX_10, "bbf9fe628caceb546103e14c7d2c186fde6d333c9f33e6c09a85050d4c534b8c"),
        (AGILEX, "9c4096b298de5b7cbcd1f69ffd596b58d9e3f327f3e980365e50bfbe48be7679"),
    ];

    #[test]
    fn the_tables_are_those_of_opae() {
        for (table, expected) in DIGESTS {
            let words = rows(table).flat_map(|row| row.1.0).flat_map(u32::to_le_bytes);
            let digest = Sha256::digest(words.collect::<Vec<_>>());
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digest, expected);
        }
    }

    /// No row is faster than it says, or more than 1.2 % slower.
    #[test]
    fn every_row_is_near_what_it_is_for() {
        for (table, last) in [(STRATIX_10, 600), (AGILEX, 800)] {
            assert_eq!(rows(table).map(|row| row.0).collect::<Vec<_>>(), Vec::from_iter(10..=last));
            for (mhz, settings) in rows(table) {
                let Frequencies { fast, slow } = settings.frequencies().unwrap();
                assert_eq!(slow, settings.0[0], "{mhz}");
                assert!(slow <= mhz * 1000 && slow * 1012 / 1000 >= mhz * 1000, "{mhz}: {slow}");
                if mhz <= last / 2 {
                    assert!(fast.abs_diff(2 * slow) <= 1, "{mhz}: {fast}");
                }
            }
        }
    }
}
