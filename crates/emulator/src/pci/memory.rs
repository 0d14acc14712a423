//! The guest's memory, as its front end shares it.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use vm_memory::{
    Bytes, FileOffset, GuestAddress, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap,
    MmapRegion,
};

use super::vhost::Region;
use crate::card::dma::{Dma, Fault};

/// Memory by guest physical addresses.
pub(super) type Memory = GuestMemoryMmap;

/// Maps the regions of a table.
pub(super) fn map(regions: &[Region], files: Vec<OwnedFd>) -> Result<Memory, String> {
    let mut all = Vec::new();
    for (region, file) in regions.iter().zip(files) {
        let failed = |e: &dyn std::fmt::Display| format!("memory at {:#x}: {e}", region.guest);
        let size = usize::try_from(region.size).map_err(|e| failed(&e))?;
        let offset = FileOffset::new(File::from(file), region.offset);
        let mapped = MmapRegion::from_file(offset, size).map_err(|e| failed(&e))?;
        let mapped = GuestRegionMmap::new(mapped, GuestAddress(region.guest));
        all.push(mapped.ok_or_else(|| failed(&"past the end of addresses"))?);
    }
    all.sort_by_key(GuestMemoryRegion::start_addr);
    Memory::from_regions(all).map_err(|e| e.to_string())
}

/// What the card reaches: guest physical addresses are I/O addresses, as the guest has no IOMMU.
pub(super) struct Guest(pub(super) Arc<Memory>);

impl Dma for Guest {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), Fault> {
        self.0.read_slice(data, GuestAddress(address)).map_err(|_| Fault { address })
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), Fault> {
        let written = self.0.write_slice(data, GuestAddress(address));
        // Whoever sees what the next call writes also sees this.
        fence(Ordering::SeqCst);
        written.map_err(|_| Fault { address })
    }
}
