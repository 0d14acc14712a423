//! The partial reconfiguration engine: `PR_CTRL`, `PR_STS`, `PR_DATA`, `PR_ERR` and the interface id.
//!
//! A bitstream for it starts with the magic word `DFLEMU01`, the interface id and the function's id, each id
//! as its low and then its high 64 bits, little endian. The rest may be anything: only the start is kept.

use std::time::{Duration, Instant};

use super::regs::*;
use crate::id::Guid;

/// First eight bytes of a bitstream for an emulated card.
pub const MAGIC: [u8; 8] = *b"DFLEMU01";
/// Magic word and two ids.
const HEAD: usize = 40;
/// Words that the engine's queue takes. The driver counts them down and asks again at one.
const CREDITS: u64 = 128;

pub(crate) struct Engine {
    interface: Guid,
    control: u64,
    error: u64,
    head: Vec<u8>,
    done: Option<Instant>,
    pub(super) time: Duration,
    pub(super) forced: u64,
    pub(super) stalled: bool,
}

impl Engine {
    pub(super) fn new(interface: Guid, time: Duration) -> Self {
        Self {
            interface,
            control: 0,
            error: 0,
            head: Vec::new(),
            done: None,
            time,
            forced: 0,
            stalled: false,
        }
    }

    pub(super) fn read(&self, offset: u64) -> u64 {
        match offset {
            PR_CTRL => self.control,
            PR_STS if self.error != 0 => CREDITS | PR_STS_FAILED | PR_STS_HOST,
            PR_STS => CREDITS,
            PR_ERR => self.error,
            PR_INTFC_ID_L => self.interface.low,
            PR_INTFC_ID_H => self.interface.high,
            _ => 0,
        }
    }

    pub(super) fn write(&mut self, offset: u64, value: u64) {
        match offset {
            PR_CTRL => self.control(value),
            PR_DATA => self.push(&value.to_le_bytes()[..4]),
            PR_ERR => self.error &= !value,
            _ => {}
        }
    }

    fn control(&mut self, value: u64) {
        self.control = value & !PR_RSTACK;
        if value & PR_RST != 0 {
            // What was under way is over, also one that never completes. The driver writes back what it read,
            // the old request to complete included.
            self.control = (self.control | PR_RSTACK) & !(PR_START | PR_COMPLETE);
            self.head.clear();
            self.done = None;
            self.error = 0;
        } else if value & PR_COMPLETE != 0 && !self.stalled {
            self.done = Some(Instant::now() + self.time);
        }
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        if self.control & PR_START == 0 {
            self.error |= PR_ERR_PROTOCOL;
            return;
        }
        let missing = HEAD - self.head.len();
        self.head.extend_from_slice(&data[..missing.min(data.len())]);
    }

    pub(super) fn done_at(&self) -> Option<Instant> {
        self.done
    }

    /// The port whose region is being reconfigured.
    pub(super) fn target(&self) -> usize {
        (self.control >> PR_REGION_SHIFT & 7) as usize
    }

    /// Ends the operation: the id of the function to load, or an error in the registers.
    pub(super) fn finish(&mut self, frozen: bool) -> Option<Guid> {
        self.done = None;
        self.control &= !(PR_START | PR_COMPLETE);
        let loaded = self.check();
        self.error |=
            self.forced | loaded.err().unwrap_or(0) | if frozen { 0 } else { PR_ERR_OPERATION };
        loaded.ok().filter(|_| self.error == 0)
    }

    fn check(&self) -> Result<Guid, u64> {
        let word =
            |i: usize| Some(u64::from_le_bytes(self.head.get(8 * i..8 * i + 8)?.try_into().ok()?));
        let guid = |i| Some(Guid { low: word(i)?, high: word(i + 1)? });
        let (Some(interface), Some(function)) = (guid(1), guid(3)) else { return Err(PR_ERR_CRC) };
        if !self.head.starts_with(&MAGIC) {
            return Err(PR_ERR_CRC);
        }
        if interface != self.interface {
            return Err(PR_ERR_INCOMPATIBLE);
        }
        Ok(function)
    }
}

/// The start of a bitstream that loads `function` into a region with this interface.
#[must_use]
pub fn payload_head(interface: Guid, function: Guid) -> Vec<u8> {
    let words = [interface.low, interface.high, function.low, function.high];
    MAGIC.into_iter().chain(words.iter().flat_map(|w| w.to_le_bytes())).collect()
}
