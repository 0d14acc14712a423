//! A file mapped for reading: the one place outside the drivers' `stack` where unsafe code is needed, so
//! that images reach the kernel without a copy in this process.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::raw::c_void;
use std::ptr::NonNull;
use std::slice;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// The first bytes of a regular file, readable and private. Unmapped when dropped.
#[derive(Debug)]
pub(super) struct Map {
    start: NonNull<c_void>,
    len: NonZeroUsize,
}

// SAFETY: the mapping belongs to the whole process and is only read; dropping it needs no thread.
unsafe impl Send for Map {}
// SAFETY: as above: shared references only read.
unsafe impl Sync for Map {}

impl Map {
    /// Maps the first `len` bytes of `file`.
    ///
    /// `len` must be above 0 and small enough for a slice, or the mapping fails as mmap(2) does.
    pub(super) fn new(file: &File, len: usize) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let len = NonZeroUsize::new(len).filter(|len| isize::try_from(len.get()).is_ok());
        let len = len.ok_or_else(invalid)?;
        // SAFETY: the kernel chooses an address that nothing else uses, so no existing memory
        // changes its meaning.
        let start =
            unsafe { mmap(None, len, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE, file, 0) }?;
        Ok(Self { start, len })
    }

    /// The mapped bytes.
    pub(super) fn as_slice(&self) -> &[u8] {
        // SAFETY: `start` is aligned to a page and stays mapped, readable and `len` bytes long (below
        // `isize::MAX`) until `self` is dropped, and this process never writes to it. Another process
        // can write to the file or truncate it: reading then gives other bytes or raises SIGBUS.
        // Nothing here relies on two reads giving the same bytes, and no invariant of `u8` can break;
        // `Payload` says what that means to its users, and the store never changes a file in place.
        unsafe { slice::from_raw_parts(self.start.as_ptr().cast(), self.len.get()) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the range is the one that mmap gave, is unmapped once, and no slice of it outlives
        // `self`. A failure would leave the mapping in place, which harms nobody.
        let _ = unsafe { munmap(self.start, self.len.get()) };
    }
}
