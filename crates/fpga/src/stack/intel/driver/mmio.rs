//! Mapped registers.
#![allow(unsafe_code)]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{Ordering, fence};

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::device::Device;
use super::error::{Error, Operation};

/// The registers of a region, mapped into the process. Unmapped on drop; it stays valid after the
/// port is closed, because the mapping holds the node open.
///
/// Accesses are volatile, of exactly the width asked for, and in the order of the program. A write
/// is also ordered after earlier accesses to a [`DmaBuffer`](super::DmaBuffer), and a read before
/// later ones, so that a start bit is not seen before the data that it is about.
///
/// It can be moved to another thread but not shared by several: two threads at one register would
/// race.
#[derive(Debug)]
pub struct Mmio {
    base: NonNull<u8>,
    size: usize,
    path: PathBuf,
}

// SAFETY: the mapping belongs to the process and not to a thread.
unsafe impl Send for Mmio {}

impl Mmio {
    pub(super) fn map(device: &Device, offset: i64, size: usize) -> Result<Self, Error> {
        let fail = |errno| device.error(Operation::MapRegion, errno);
        let length = NonZeroUsize::new(size).ok_or(Errno::EINVAL).map_err(fail)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice changes no memory in use.
        let base = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, device, offset) };
        Ok(Self { base: base.map_err(fail)?.cast(), size, path: device.path().to_owned() })
    }

    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The node whose registers these are.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the 32-bit register at `offset` (bytes).
    ///
    /// # Errors
    /// [`Error::Register`] when `offset` is not a multiple of 4 or outside the region.
    pub fn read32(&self, offset: usize) -> Result<u32, Error> {
        let register: NonNull<u32> = self.register(offset)?;
        // SAFETY: `register` has checked bounds and alignment, and the mapping lives as long as `self`.
        let value = unsafe { register.read_volatile() };
        fence(Ordering::Acquire);
        Ok(value)
    }

    /// Reads the 64-bit register at `offset` (bytes) in one access.
    ///
    /// # Errors
    /// [`Error::Register`] when `offset` is not a multiple of 8 or outside the region.
    pub fn read64(&self, offset: usize) -> Result<u64, Error> {
        let register: NonNull<u64> = self.register(offset)?;
        // SAFETY: as in `read32`.
        let value = unsafe { register.read_volatile() };
        fence(Ordering::Acquire);
        Ok(value)
    }

    /// Writes the 32-bit register at `offset` (bytes).
    ///
    /// # Errors
    /// As [`Mmio::read32`].
    pub fn write32(&self, offset: usize, value: u32) -> Result<(), Error> {
        let register: NonNull<u32> = self.register(offset)?;
        fence(Ordering::Release);
        // SAFETY: as in `read32`; registers may change at any time, so nothing else is assumed of them.
        unsafe { register.write_volatile(value) };
        Ok(())
    }

    /// Writes the 64-bit register at `offset` (bytes) in one access.
    ///
    /// # Errors
    /// As [`Mmio::read64`].
    pub fn write64(&self, offset: usize, value: u64) -> Result<(), Error> {
        let register: NonNull<u64> = self.register(offset)?;
        fence(Ordering::Release);
        // SAFETY: as in `write32`.
        unsafe { register.write_volatile(value) };
        Ok(())
    }

    /// A pointer to the register at `offset` that is aligned and inside the mapping.
    fn register<T>(&self, offset: usize) -> Result<NonNull<T>, Error> {
        let width = size_of::<T>();
        let inside = offset.checked_add(width).is_some_and(|end| end <= self.size);
        if !inside || !offset.is_multiple_of(width) {
            return Err(Error::Register {
                path: self.path.clone(),
                offset,
                width,
                size: self.size,
            });
        }
        // SAFETY: `offset` is inside the mapping, as just checked.
        Ok(unsafe { self.base.add(offset) }.cast())
    }
}

impl Drop for Mmio {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this address and size, and no pointer into it leaves
        // the methods above. It can only fail for arguments that are not a mapping.
        let _ = unsafe { munmap(self.base.cast(), self.size) };
    }
}

#[cfg(test)]
mod tests {
    use super::super::node::NodeKind;
    use super::*;
    use crate::stack::Sharing;

    /// Registers backed by a file, as the emulator serves them.
    fn registers(size: usize) -> (tempfile::TempDir, Mmio) {
        let dir = tempfile::tempdir().unwrap();
        let node = dir.path().join("dfl-port.0");
        std::fs::write(&node, vec![0; size]).unwrap();
        let device = Device::open(&node, NodeKind::Port, Sharing::Shared).unwrap();
        let mmio = Mmio::map(&device, 0, size).unwrap();
        (dir, mmio)
    }

    #[test]
    fn what_is_written_reaches_the_file() {
        let (dir, mmio) = registers(4096);
        mmio.write64(8, 0x0123_4567_89ab_cdef).unwrap();
        mmio.write32(4, 0xdead_beef).unwrap();
        assert_eq!(mmio.read64(8).unwrap(), 0x0123_4567_89ab_cdef);
        assert_eq!(mmio.read32(8).unwrap(), 0x89ab_cdef);
        assert_eq!(mmio.read64(0).unwrap(), 0xdead_beef_0000_0000);
        let bytes = std::fs::read(dir.path().join("dfl-port.0")).unwrap();
        assert_eq!(bytes[4..8], 0xdead_beef_u32.to_le_bytes());
    }

    #[test]
    fn accesses_outside_or_misaligned_are_errors() {
        let (_dir, mmio) = registers(4096);
        assert!(mmio.read32(4092).is_ok());
        assert!(mmio.read64(4088).is_ok());
        for offset in [4096, 4094, 2, usize::MAX, usize::MAX - 3] {
            assert!(mmio.read32(offset).is_err(), "{offset:#x}");
            assert!(mmio.write32(offset, 0).is_err(), "{offset:#x}");
        }
        for offset in [4092, 4, 4096, usize::MAX - 7] {
            assert!(mmio.read64(offset).is_err(), "{offset:#x}");
            assert!(mmio.write64(offset, 0).is_err(), "{offset:#x}");
        }
        let error = mmio.read64(4092).unwrap_err().to_string();
        assert!(
            error.ends_with("no 8-byte register at offset 0xffc: the mapping has 0x1000 bytes"),
            "{error}"
        );
    }

    #[test]
    fn an_empty_region_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let node = dir.path().join("dfl-port.0");
        std::fs::write(&node, "").unwrap();
        let device = Device::open(&node, NodeKind::Port, Sharing::Shared).unwrap();
        let error = Mmio::map(&device, 0, 0).unwrap_err();
        assert!(matches!(
            error,
            Error::Refused { operation: Operation::MapRegion, errno: Errno::EINVAL, .. }
        ));
    }
}
