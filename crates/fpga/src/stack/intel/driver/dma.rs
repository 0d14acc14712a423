//! Memory that a card reads and writes while the program does.
#![allow(unsafe_code)]

use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};

use super::error::Error;

/// Size of a huge page that a buffer can lie in, in bytes.
pub const HUGE_PAGE_SIZE: usize = 2 << 20;

/// Which pages to take for a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// Pages of the system's usual size.
    Base,
    /// 2 MiB pages (`MAP_HUGETLB`) where there are any, else the usual ones.
    PreferHuge,
}

/// Page-aligned memory, zeroed at first. Freed on drop.
///
/// A card may write to it at any time, so it is never lent as a slice: bytes are copied in and out
/// by volatile accesses, and [`DmaBuffer::load_acquire`] reads the word by which a card says that
/// the rest is there.
#[derive(Debug)]
pub struct DmaBuffer {
    base: NonNull<u8>,
    len: usize,
    mapped: usize,
    contiguous: usize,
    fallback: Option<Errno>,
}

// SAFETY: the mapping belongs to the process and not to a thread. Not `Sync`: two threads that
// copy into the same bytes would race.
unsafe impl Send for DmaBuffer {}

impl DmaBuffer {
    /// At least `length` bytes, rounded up to whole pages of the usual size, which is what the
    /// drivers map. In a huge page the rest of it is left unused.
    ///
    /// # Errors
    /// [`Error::Memory`] when `length` is 0 or there is no memory. A shortage of huge pages is not an
    /// error but [`DmaBuffer::fallback`].
    pub fn allocate(length: usize, pages: Pages) -> Result<Self, Error> {
        let fail = |errno| Error::Memory { length, errno };
        let page = page_size();
        let len =
            length.checked_next_multiple_of(page).filter(|&n| n > 0).ok_or(fail(Errno::EINVAL))?;
        let mut fallback = None;
        if pages == Pages::PreferHuge {
            let mapped = len.checked_next_multiple_of(HUGE_PAGE_SIZE).ok_or(fail(Errno::ENOMEM))?;
            match map_huge(mapped) {
                Ok(base) => {
                    return Ok(Self { base, len, mapped, contiguous: HUGE_PAGE_SIZE, fallback });
                }
                Err(errno) => fallback = Some(errno),
            }
        }
        let base = map(len, MapFlags::MAP_PRIVATE).map_err(fail)?;
        Ok(Self { base, len, mapped: len, contiguous: page, fallback })
    }

    /// Size in bytes, a multiple of the page size.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // It is never empty.
    pub fn len(&self) -> usize {
        self.len
    }

    /// How many bytes from the start are certain to be physically contiguous, and so can be mapped
    /// for DMA.
    #[must_use]
    pub fn contiguous(&self) -> usize {
        self.len.min(self.contiguous)
    }

    /// Why there was no huge page, when one was preferred: ENOMEM when none is free
    /// (`vm.nr_hugepages`), EFAULT when the control group does not allow any.
    #[must_use]
    pub fn fallback(&self) -> Option<Errno> {
        self.fallback
    }

    /// Copies `bytes` to `offset`.
    ///
    /// # Panics
    /// When that is outside the buffer.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        let start = self.check(offset, bytes.len());
        for (i, &byte) in bytes.iter().enumerate() {
            // SAFETY: `check` has shown `offset + i` to be inside the mapping, which lives as long as `self`.
            unsafe { start.add(i).write_volatile(byte) };
        }
    }

    /// Copies from `offset` into `bytes`.
    ///
    /// # Panics
    /// When that is outside the buffer.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) {
        let start = self.check(offset, bytes.len());
        for (i, byte) in bytes.iter_mut().enumerate() {
            // SAFETY: as in `write`.
            *byte = unsafe { start.add(i).read_volatile() };
        }
    }

    /// Reads the 32-bit word at `offset`. What the card wrote before that word is seen by later
    /// reads.
    ///
    /// # Panics
    /// When `offset` is not a multiple of 4 or outside the buffer.
    #[must_use]
    pub fn load_acquire(&self, offset: usize) -> u32 {
        assert!(offset.is_multiple_of(4), "offset {offset} is not a multiple of 4");
        let word = self.check(offset, 4).cast::<u32>();
        // SAFETY: the word is inside the mapping and aligned, and all concurrent accesses to it are
        // the card's or atomic.
        unsafe { AtomicU32::from_ptr(word.as_ptr()) }.load(Ordering::Acquire)
    }

    /// The virtual address, as `PORT_DMA_MAP` takes it.
    pub(super) fn address(&self) -> u64 {
        self.base.as_ptr().expose_provenance() as u64
    }

    /// A pointer to `offset`, after which `length` bytes are inside the buffer.
    fn check(&self, offset: usize, length: usize) -> NonNull<u8> {
        let inside = offset.checked_add(length).is_some_and(|end| end <= self.len);
        assert!(inside, "{length} bytes at {offset} are outside a buffer of {} bytes", self.len);
        // SAFETY: inside the mapping, as just checked.
        unsafe { self.base.add(offset) }
    }
}

impl Drop for DmaBuffer {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this address and size, and no pointer into it leaves
        // the methods above. A `DmaMapping` borrows the buffer, so the card is done with it.
        let _ = unsafe { munmap(self.base.cast(), self.mapped) };
    }
}

/// Size of the system's usual pages, in bytes.
#[must_use]
pub fn page_size() -> usize {
    // SAFETY: no arguments to get wrong, and no memory is touched.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).expect("every Linux answers _SC_PAGESIZE with a positive number")
}

fn map(length: usize, flags: MapFlags) -> Result<NonNull<u8>, Errno> {
    let length = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
    // SAFETY: a new mapping at an address of the kernel's choice changes no memory in use.
    let base = unsafe {
        mmap_anonymous(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, flags)
    }?;
    Ok(base.cast())
}

/// Huge pages that are really there. A control group's limit shows only at the first access, by
/// SIGBUS, so they are populated by a call that answers instead.
fn map_huge(length: usize) -> Result<NonNull<u8>, Errno> {
    let base = map(length, MapFlags::MAP_PRIVATE | MapFlags::MAP_HUGETLB | MapFlags::MAP_HUGE_2MB)?;
    // SAFETY: the range is the mapping just made, and populating it does not change its contents.
    match unsafe { madvise(base.cast(), length, MmapAdvise::MADV_POPULATE_WRITE) } {
        // EINVAL: older than Linux 5.14, which cannot tell.
        Ok(()) | Err(Errno::EINVAL) => Ok(base),
        Err(errno) => {
            // SAFETY: the mapping just made, which nobody else knows.
            let _ = unsafe { munmap(base.cast(), length) };
            Err(errno)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_pages_zeroed_and_aligned() {
        let buffer = DmaBuffer::allocate(1, Pages::Base).unwrap();
        assert_eq!(buffer.len(), page_size());
        assert_eq!(buffer.contiguous(), page_size());
        assert_eq!(buffer.fallback(), None);
        assert!(usize::try_from(buffer.address()).unwrap().is_multiple_of(page_size()));
        let mut bytes = vec![1; buffer.len()];
        buffer.read(0, &mut bytes);
        assert!(bytes.iter().all(|&b| b == 0));
    }

    #[test]
    fn only_the_first_page_of_many_is_contiguous() {
        let buffer = DmaBuffer::allocate(3 * page_size() + 1, Pages::Base).unwrap();
        assert_eq!(buffer.len(), 4 * page_size());
        assert_eq!(buffer.contiguous(), page_size());
    }

    #[test]
    fn copies_in_and_out() {
        let buffer = DmaBuffer::allocate(page_size(), Pages::Base).unwrap();
        buffer.write(0x40, &[1, 2, 3, 4, 5]);
        let mut bytes = [0; 6];
        buffer.read(0x40, &mut bytes);
        assert_eq!(bytes, [1, 2, 3, 4, 5, 0]);
        assert_eq!(buffer.load_acquire(0x40), 0x0403_0201);
        buffer.write(page_size() - 1, &[7]);
    }

    /// Holds on a machine with free huge pages and on one without: either there is one, or there is
    /// the reason why not.
    #[test]
    fn huge_pages_or_the_reason() {
        let buffer = DmaBuffer::allocate(8 * page_size(), Pages::PreferHuge).unwrap();
        assert_eq!(buffer.len(), 8 * page_size());
        match buffer.fallback() {
            None => assert_eq!(buffer.contiguous(), 8 * page_size()),
            Some(_) => assert_eq!(buffer.contiguous(), page_size()),
        }
        buffer.write(buffer.len() - 1, &[1]);
    }

    #[test]
    fn sizes_that_cannot_be() {
        for length in [0, usize::MAX, usize::MAX - page_size()] {
            assert!(DmaBuffer::allocate(length, Pages::Base).is_err(), "{length}");
            assert!(DmaBuffer::allocate(length, Pages::PreferHuge).is_err(), "{length}");
        }
    }

    #[test]
    #[should_panic(expected = "outside a buffer")]
    fn writes_outside_panic() {
        let buffer = DmaBuffer::allocate(1, Pages::Base).unwrap();
        buffer.write(buffer.len() - 1, &[0, 0]);
    }

    #[test]
    #[should_panic(expected = "not a multiple of 4")]
    fn misaligned_words_panic() {
        let _ = DmaBuffer::allocate(1, Pages::Base).unwrap().load_acquire(2);
    }
}
