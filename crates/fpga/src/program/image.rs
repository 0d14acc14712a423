//! What is programmed.

use std::fmt;

use crate::bitstream::{self, Bitstream, Payload};
use crate::id::{AfuId, InterfaceId};

/// A bitstream as the procedure needs it.
#[derive(Debug, Clone)]
pub struct Image<'a> {
    /// What messages call it: the file's path.
    pub name: String,
    /// The regions that it fits.
    pub interface_id: InterfaceId,
    /// The function that the region shows afterwards.
    pub afu_id: AfuId,
    /// The bytes for the card, best straight from a mapping of the file: they are not copied.
    pub payload: &'a [u8],
    /// The clock that the function asks for.
    pub user_clock: Option<UserClock>,
}

/// The two frequencies of the clock that a function asks for; at least one is a number.
#[derive(Debug, Clone, PartialEq)]
pub struct UserClock {
    /// The faster one.
    pub high: Option<bitstream::UserClock>,
    /// The slower one.
    pub low: Option<bitstream::UserClock>,
}

impl<'a> Image<'a> {
    /// The image `payload` of `bitstream`.
    ///
    /// # Errors
    /// An id is missing from the file or malformed.
    pub fn new(bitstream: &Bitstream, payload: &'a Payload) -> Result<Self, bitstream::Error> {
        let metadata = bitstream.contents().metadata();
        Ok(Self {
            name: bitstream.path().display().to_string(),
            interface_id: bitstream.interface_id()?,
            afu_id: bitstream.afu_id()?,
            payload,
            user_clock: UserClock::new(metadata.clock_high.clone(), metadata.clock_low.clone()),
        })
    }
}

impl UserClock {
    /// `None` when neither is a frequency. A text, such as the `auto-280` of a build that was not told what came of it, is
    /// no demand: OPAE sets no clock for it either.
    #[must_use]
    pub fn new(
        high: Option<bitstream::UserClock>,
        low: Option<bitstream::UserClock>,
    ) -> Option<Self> {
        let is_frequency = |clock: &Option<bitstream::UserClock>| {
            matches!(clock, Some(bitstream::UserClock::Mhz(_)))
        };
        (is_frequency(&high) || is_frequency(&low)).then_some(Self { high, low })
    }
}

impl fmt::Display for UserClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.high, &self.low) {
            (Some(high), Some(low)) => write!(f, "{high} and {low}"),
            (Some(only), None) | (None, Some(only)) => write!(f, "{only}"),
            (None, None) => f.write_str("no frequency"),
        }
    }
}
