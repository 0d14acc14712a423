//! The clock that the function in a slot can ask for, as every card has it: two outputs of one generator.

use std::fmt;

use super::error::Error;

/// The frequencies of both outputs, in kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frequencies {
    /// The faster output.
    pub fast: u32,
    /// The slower one, half the faster where the generator can do both.
    pub slow: u32,
}

/// The generator of a slot's clock.
pub trait Clock {
    /// What it runs at when it is set for `wanted`; `None` when that is out of its range. Nothing is touched.
    fn nearest(&self, wanted: Frequencies) -> Option<Frequencies>;

    /// Sets it for `wanted`, for which [`Clock::nearest`] has an answer. The function in the slot has no clock
    /// meanwhile.
    ///
    /// # Errors
    /// The driver refuses, the generator does not do as told, or it is of a kind that nothing is known of.
    fn set(&self, wanted: Frequencies) -> Result<(), Error>;

    /// What the card counts: for as long as that takes, some milliseconds.
    ///
    /// # Errors
    /// The driver refuses, or the generator does not run.
    fn measure(&self) -> Result<Frequencies, Error>;
}

impl fmt::Display for Frequencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mhz = |khz: u32| f64::from(khz) / 1000.0;
        write!(f, "{} and {} MHz", mhz(self.fast), mhz(self.slow))
    }
}
