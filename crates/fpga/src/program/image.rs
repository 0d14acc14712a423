//! What is programmed.

use std::fmt;

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

/// The frequencies of the clock that a function asks for, as the bitstream has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserClock {
    /// The faster one, such as `312.5 MHz`.
    pub high: Option<String>,
    /// The slower one.
    pub low: Option<String>,
}

impl fmt::Display for UserClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clocks: Vec<&str> =
            [&self.high, &self.low].into_iter().flatten().map(String::as_str).collect();
        f.write_str(&clocks.join(" and "))
    }
}
