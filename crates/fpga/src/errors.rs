//! Errors that a card has latched: what its registers hold, and what that means in words.

use std::fmt;

/// A register that is not zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorRegister {
    /// What the driver calls it, such as `catfatal_errors`.
    pub name: String,
    /// The bits of the register; not zero.
    pub value: u64,
    /// What they mean, from the lowest bit upwards; empty when nothing is known about the register.
    pub errors: Vec<ErrorBit>,
}

/// One error, or one group of bits that stand for the same error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorBit {
    /// The bit; the lowest of a group that is set.
    pub bit: u32,
    /// The name in the vendor's documents, such as `TxCh0Overflow`; `None` for a bit of no table.
    pub name: Option<&'static str>,
    /// Whether what reported it can go on.
    pub severity: Severity,
    pub(crate) words: &'static str,
    pub(crate) is_of_slot: bool,
}

/// Whether what reported an error can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It can. Somebody should know.
    Nonfatal,
    /// It cannot, or what it computes is not to be trusted, until the error is cleared.
    Fatal,
}

impl ErrorRegister {
    /// The errors in one line, separated by commas.
    #[must_use]
    pub fn words(&self) -> String {
        words(&self.errors)
    }
}

/// Errors in one line, separated by commas.
pub(crate) fn words(errors: &[ErrorBit]) -> String {
    let errors: Vec<String> = errors.iter().map(ErrorBit::to_string).collect();
    errors.join(", ")
}

impl ErrorBit {
    /// True of an error of a card that stands for a fatal one of some slot.
    #[must_use]
    pub fn is_of_slot(&self) -> bool {
        self.is_of_slot
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
