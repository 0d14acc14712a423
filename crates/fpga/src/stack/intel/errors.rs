//! Error registers in words.
//!
//! The drivers show a card's error registers as numbers below `errors/` of a port and of the
//! management engine ([`crate::errors::ErrorRegister`]). What the bits mean is the same for both
//! drivers, since it is the hardware's: the register sets of the FPGA interface manager, as Intel's
//! OPAE publishes them. A bit that no table has prints as `bit N`.
//!
//! ```
//! use fpga::stack::intel::errors::Register;
//!
//! let register = Register::of_port("errors").expect("a port has it");
//! assert_eq!(
//!     register.words(1 << 48 | 1 << 63),
//!     "page fault on a request of the function, bit 63"
//! );
//! ```

mod fme;
mod port;
mod reconfiguration;
mod severity;

use crate::errors::{self, ErrorBit, ErrorRegister};

/// A register whose bits are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Register {
    /// Errors of a port and its function (`PORT_ERROR`), also of the first one only.
    Port,
    /// Errors of the management engine (`FME_ERROR0`).
    Fme,
    /// Errors of a PCIe link (`PCIE0_ERROR`, `PCIE1_ERROR`).
    Pcie,
    /// The first or the second error that the management engine saw: 60 bits of one of the registers
    /// above, which the upper 4 bits name (`FME_FIRST_ERROR`, `FME_NEXT_ERROR`).
    FmeOrder,
    /// Errors that the card goes on after (`RAS_NOFAT_ERR_STAT`).
    Nonfatal,
    /// Errors that it does not go on after (`RAS_CATFAT_ERR_STAT`).
    Fatal,
    /// Why a reconfiguration failed (`FME_PR_ERR`); the out-of-tree driver's status word.
    Reconfiguration,
}

impl Register {
    /// The register behind the attribute `name` below a port's `errors/`.
    #[must_use]
    pub fn of_port(name: &str) -> Option<Self> {
        matches!(name, "errors" | "first_error").then_some(Self::Port)
    }

    /// The register behind the attribute `name` below a management engine's `errors/`, in either
    /// driver's spelling.
    #[must_use]
    pub fn of_fme(name: &str) -> Option<Self> {
        Some(match name {
            "fme_errors" | "fme-errors/errors" => Self::Fme,
            "pcie0_errors" | "pcie1_errors" => Self::Pcie,
            "first_error" | "next_error" | "fme-errors/first_error" | "fme-errors/next_error" => {
                Self::FmeOrder
            }
            "nonfatal_errors" | "bbs_errors" => Self::Nonfatal,
            "catfatal_errors" | "gbs_errors" => Self::Fatal,
            _ => return None,
        })
    }

    /// What the attribute `name` of a port says when it holds `value`.
    #[must_use]
    pub fn read_port(name: &str, value: u64) -> ErrorRegister {
        read(Self::of_port(name), name, value)
    }

    /// What the attribute `name` of a management engine says when it holds `value`.
    #[must_use]
    pub fn read_fme(name: &str, value: u64) -> ErrorRegister {
        read(Self::of_fme(name), name, value)
    }

    /// The errors that are set in `value`, from the lowest bit upwards.
    #[must_use]
    pub fn decode(self, value: u64) -> Vec<ErrorBit> {
        match self {
            Self::FmeOrder => match ordered(value) {
                Some((register, value)) => decode(register, value),
                None => decode(self, value),
            },
            _ => decode(self, value),
        }
    }

    /// [`Register::decode`] in one line, errors separated by commas; empty for 0.
    #[must_use]
    pub fn words(self, value: u64) -> String {
        errors::words(&self.decode(value))
    }

    fn table(self) -> &'static [Entry] {
        match self {
            Self::Port => port::PORT,
            Self::Fme => fme::FME,
            Self::Pcie => fme::PCIE,
            Self::Nonfatal => fme::NONFATAL,
            Self::Fatal => fme::FATAL,
            Self::Reconfiguration => reconfiguration::RECONFIGURATION,
            Self::FmeOrder => &[],
        }
    }
}

/// What the bits from `low` to `high` mean.
struct Entry {
    low: u32,
    high: u32,
    name: &'static str,
    words: &'static str,
}

impl Entry {
    const fn bit(bit: u32, name: &'static str, words: &'static str) -> Self {
        Self { low: bit, high: bit, name, words }
    }

    const fn bits(low: u32, high: u32, name: &'static str, words: &'static str) -> Self {
        Self { low, high, name, words }
    }

    const fn mask(&self) -> u64 {
        (u64::MAX >> (63 - (self.high - self.low))) << self.low
    }
}

/// The register that a first or next error is from, and its bits.
fn ordered(value: u64) -> Option<(Register, u64)> {
    const BITS: u32 = 60;
    let register = match value >> BITS {
        0 => Register::Fme,
        1 | 2 => Register::Pcie,
        _ => return None,
    };
    Some((register, value & (u64::MAX >> (64 - BITS))))
}

fn read(register: Option<Register>, name: &str, value: u64) -> ErrorRegister {
    let errors = register.map(|register| register.decode(value)).unwrap_or_default();
    ErrorRegister { name: name.to_owned(), value, errors }
}

fn decode(register: Register, value: u64) -> Vec<ErrorBit> {
    let mut rest = value;
    let mut errors = Vec::new();
    for entry in register.table() {
        let set = value & entry.mask();
        if set != 0 {
            rest &= !set;
            let bit = set.trailing_zeros();
            errors.push(ErrorBit {
                bit,
                name: Some(entry.name),
                severity: register.severity(bit),
                words: entry.words,
                is_of_slot: register == Register::Nonfatal && bit == fme::PORT_FATAL,
            });
        }
    }
    let unknown = (0..u64::BITS).filter(|bit| rest >> bit & 1 != 0);
    errors.extend(unknown.map(|bit| ErrorBit {
        bit,
        name: None,
        severity: register.severity(bit),
        words: "",
        is_of_slot: false,
    }));
    errors.sort_by_key(|error| error.bit);
    errors
}

#[cfg(test)]
mod tests;
