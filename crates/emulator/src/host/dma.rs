//! Memory of clients that is mapped for a port.

use std::collections::BTreeMap;
use std::sync::Arc;

use nix::errno::Errno;

use crate::card::dma::{Dma, Fault};

/// An address space of a client. It outlives the process as an object and then answers nothing.
pub trait Memory: Send + Sync {
    /// Fills `data` from `address`; false when not all of it is there.
    fn read(&self, address: u64, data: &mut [u8]) -> bool;

    /// Stores `data` at `address`; false when not all of it is writable.
    fn write(&self, address: u64, data: &[u8]) -> bool;

    /// False once the process ended or became another program.
    fn is_alive(&self) -> bool;

    /// Id of the process, for accounting.
    fn process(&self) -> u32;
}

struct Map {
    memory: Arc<dyn Memory>,
    user: u64,
    length: u64,
}

/// The mappings of one port, by I/O virtual address.
#[derive(Default)]
pub struct DmaSpace {
    maps: BTreeMap<u64, Map>,
}

/// Where I/O virtual addresses start: above 4 GiB, so that 32-bit truncation shows.
const FIRST: u64 = 0x1_0000_0000;
/// Gap between two mappings, so that running over the end is a fault.
const GAP: u64 = 0x1000;

impl DmaSpace {
    /// Maps `length` bytes at `user`: the I/O virtual address.
    ///
    /// # Errors
    /// `ENOMEM` when the addresses run out.
    pub(super) fn map(
        &mut self,
        memory: Arc<dyn Memory>,
        user: u64,
        length: u64,
    ) -> nix::Result<u64> {
        let mut iova = FIRST;
        for (start, map) in &self.maps {
            if iova
                .checked_add(length)
                .and_then(|e| e.checked_add(GAP))
                .is_some_and(|end| end <= *start)
            {
                break;
            }
            iova = align(start + map.length + GAP);
        }
        iova.checked_add(length).filter(|end| *end < 1 << 48).ok_or(Errno::ENOMEM)?;
        self.maps.insert(iova, Map { memory, user, length });
        Ok(iova)
    }

    /// Removes the mapping that starts at `iova`.
    ///
    /// # Errors
    /// `EINVAL` when none does.
    pub(super) fn unmap(&mut self, iova: u64) -> nix::Result<()> {
        self.maps.remove(&iova).map(|_| ()).ok_or(Errno::EINVAL)
    }

    /// Nothing is mapped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.maps.is_empty()
    }

    /// Bytes that the process has mapped here.
    pub(super) fn locked_by(&self, process: u32) -> u64 {
        self.maps.values().filter(|m| m.memory.process() == process).map(|m| m.length).sum()
    }

    /// Drops what ended processes had mapped.
    pub(super) fn drop_dead(&mut self) {
        self.maps.retain(|_, m| m.memory.is_alive());
    }

    fn find(&self, address: u64, length: usize) -> Option<(&Map, u64)> {
        let (start, map) = self.maps.range(..=address).next_back()?;
        let offset = address - start;
        (offset.checked_add(length as u64)? <= map.length).then_some((map, map.user + offset))
    }
}

/// Up to a 2 MiB boundary, where a huge page may start.
fn align(address: u64) -> u64 {
    const HUGE: u64 = 2 << 20;
    address.div_ceil(HUGE) * HUGE
}

impl Dma for DmaSpace {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), Fault> {
        let found = self.find(address, data.len());
        found.filter(|(m, user)| m.memory.read(*user, data)).map(|_| ()).ok_or(Fault { address })
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), Fault> {
        let found = self.find(address, data.len());
        found.filter(|(m, user)| m.memory.write(*user, data)).map(|_| ()).ok_or(Fault { address })
    }
}
