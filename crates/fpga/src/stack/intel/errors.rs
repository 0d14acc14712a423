//! Error registers in words.
//!
//! The drivers show a card's error registers as numbers below `errors/` of a port and of the
//! management engine ([`crate::board::ErrorRegister`]). What the bits mean is the same for both
//! drivers, since it is the hardware's: the register sets of the FPGA interface manager, as Intel's
//! OPAE publishes them. A bit that no table has prints as `bit N`.
//!
//! ```
//! use fpga::errors::Register;
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

use std::fmt;

pub use severity::Severity;

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

/// One error, or one group of bits that stand for the same error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorBit {
    /// The bit; the lowest of a group that is set.
    pub bit: u32,
    /// The name in Intel's documents, such as `TxCh0Overflow`; `None` for a bit of no table.
    pub name: Option<&'static str>,
    /// Whether what reported it can go on.
    pub severity: Severity,
    words: &'static str,
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
        let errors: Vec<String> = self.decode(value).iter().map(ErrorBit::to_string).collect();
        errors.join(", ")
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

impl fmt::Display for ErrorBit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(_) => f.write_str(self.words),
            None => write!(f, "bit {}", self.bit),
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
            });
        }
    }
    let unknown = (0..u64::BITS).filter(|bit| rest >> bit & 1 != 0);
    errors.extend(unknown.map(|bit| ErrorBit {
        bit,
        name: None,
        severity: register.severity(bit),
        words: "",
    }));
    errors.sort_by_key(|error| error.bit);
    errors
}

#[cfg(test)]
mod tests;
