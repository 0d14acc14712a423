//! The condition of a card: values whose changes the kernel does not report, so that they have to be polled.

use crate::errors::ErrorRegister;

/// What a card says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vitals {
    /// The temperature of the FPGA, if there is a sensor that can be read.
    pub temperature: Option<Temperature>,
    /// Power that the FPGA takes, in microwatts.
    pub power: Option<u64>,
    /// Error registers of the card as a whole that are not zero, without those that
    /// repeat the first or the next error of another.
    pub errors: Vec<ErrorRegister>,
    /// Its slots, as far as they can be read, in the card's order.
    pub slots: Vec<SlotVitals>,
}

/// A temperature and its thresholds, all in thousandths of a degree Celsius.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Temperature {
    /// Now (`temp1_input`).
    pub now: u32,
    /// From here on the card throttles its functions to half (AP1, `temp1_max`).
    pub max: Option<u32>,
    /// From here on it throttles them to a tenth (AP2, `temp1_crit`).
    pub critical: Option<u32>,
}

/// What a slot says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotVitals {
    /// Its name.
    pub name: String,
    /// Its power state.
    pub power_state: Option<PowerState>,
    /// Error registers that are not zero, as those of the card.
    pub errors: Vec<ErrorRegister>,
}

/// How far a slot's function is held back (`power_state`,
/// `Documentation/ABI/testing/sysfs-platform-dfl-port`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerState {
    /// Not at all.
    Normal,
    /// AP1: by half.
    Half,
    /// AP2: by nine tenths.
    Tenth,
    /// AP6: it is off.
    Off,
    /// A value that has no meaning.
    Unknown(u8),
}

impl From<u8> for PowerState {
    fn from(value: u8) -> Self {
        match value {
            0 => Self::Normal,
            1 => Self::Half,
            2 => Self::Tenth,
            6 => Self::Off,
            other => Self::Unknown(other),
        }
    }
}
