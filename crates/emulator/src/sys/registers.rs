//! A port's registers in a file that clients map too.

use std::fs::File;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use crate::card::mmio::Mmio;
use crate::card::regs::{AFU_BYTES, AFU_SIZE};

const LENGTH: NonZeroUsize = NonZeroUsize::new(AFU_BYTES).unwrap();

/// A shared mapping of a port's node.
struct Shared(NonNull<AtomicU64>);

// SAFETY: the mapping belongs to no thread, and it is only accessed through atomics.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// Maps the file, which must be at least [`AFU_SIZE`] long and never become shorter.
pub(crate) fn map(file: &File) -> std::io::Result<Arc<dyn Mmio>> {
    map_at(file, 0)
}

/// Maps [`AFU_SIZE`] bytes from `start`, a multiple of the page size, of a file that never becomes shorter.
pub(crate) fn map_at(file: &File, start: u64) -> std::io::Result<Arc<dyn Mmio>> {
    let end = start.checked_add(AFU_SIZE).filter(|end| *end <= i64::MAX.cast_unsigned());
    let length = file.metadata()?.len();
    let offset = i64::try_from(start).map_err(std::io::Error::other)?;
    if end.is_none_or(|end| length < end) {
        return Err(std::io::Error::other("too short for a port's registers"));
    }
    // SAFETY: a new shared mapping of a file: it aliases no Rust object of ours. Other processes write to it, which
    // is why it is only seen as atomics.
    let mapped = unsafe {
        mmap(
            None,
            LENGTH,
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            MapFlags::MAP_SHARED,
            file,
            offset,
        )?
    };
    Ok(Arc::new(Shared(mapped.cast())))
}

impl Mmio for Shared {
    fn word(&self, offset: u64) -> Option<&AtomicU64> {
        let index = usize::try_from(offset / 8).ok().filter(|_| offset < AFU_SIZE)?;
        // SAFETY: the index is below the mapping's length, which lives as long as self; pages are aligned for u64.
        Some(unsafe { self.0.add(index).as_ref() })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: this is the mapping of `map`, and no reference into it outlives self.
        let unmapped = unsafe { munmap(self.0.cast(), LENGTH.get()) };
        debug_assert!(unmapped.is_ok());
    }
}
