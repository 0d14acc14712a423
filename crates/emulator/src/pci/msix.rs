//! The MSI-X table and its pending bits (PCI Express Base Specification, 7.7.2).

use super::config::MSIX_PENDING;

/// Entry words: address, upper address, data, vector control.
type Entry = [u32; 4];

const MASKED: u32 = 1;
const ENTRY: u64 = 16;

/// The table of a function, at most 64 entries.
pub(super) struct Msix {
    entries: Vec<Entry>,
    pending: u64,
}

/// A message that is an interrupt: what to write where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) address: u64,
    pub(super) data: u32,
}

impl Msix {
    /// A table as after a reset: every vector masked.
    pub(super) fn new(vectors: u16) -> Self {
        Self { entries: vec![[0, 0, 0, MASKED]; usize::from(vectors.min(64))], pending: 0 }
    }

    /// Reads eight bytes of the BAR.
    pub(super) fn read(&self, offset: u64) -> u64 {
        if offset == u64::from(MSIX_PENDING) {
            return self.pending;
        }
        self.at(offset).map_or(0, |(entry, word)| {
            let e = self.entries[entry];
            u64::from(e[word]) | u64::from(e[word + 1]) << 32
        })
    }

    /// Writes eight bytes of the BAR.
    pub(super) fn write(&mut self, offset: u64, value: u64) {
        if let Some((entry, word)) = self.at(offset) {
            let e = &mut self.entries[entry];
            e[word] = (value & 0xffff_ffff) as u32;
            e[word + 1] = (value >> 32) as u32;
        }
    }

    /// Entry, and its first word, at a multiple of eight.
    fn at(&self, offset: u64) -> Option<(usize, usize)> {
        let entry = usize::try_from(offset / ENTRY).ok().filter(|e| *e < self.entries.len())?;
        Some((entry, if offset % ENTRY < 8 { 0 } else { 2 }))
    }

    /// Makes an interrupt pending.
    pub(super) fn raise(&mut self, vector: u64) {
        if vector < self.entries.len() as u64 {
            self.pending |= 1 << vector;
        }
    }

    /// True when an interrupt waits to be sent and is not masked.
    pub(super) fn is_due(&self) -> bool {
        let mut vectors = self.entries.iter().enumerate();
        self.pending != 0 && vectors.any(|(v, e)| self.pending >> v & 1 != 0 && e[3] & MASKED == 0)
    }

    /// Sends what is pending and not masked, until `send` has no room.
    pub(super) fn deliver(&mut self, mut send: impl FnMut(Message) -> bool) {
        for (vector, entry) in self.entries.iter().enumerate() {
            if self.pending >> vector & 1 == 0 || entry[3] & MASKED != 0 {
                continue;
            }
            let address = u64::from(entry[0]) | u64::from(entry[1]) << 32;
            if !send(Message { address, data: entry[2] }) {
                return;
            }
            self.pending &= !(1 << vector);
        }
    }
}
