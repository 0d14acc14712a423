//! Structures of the ioctls as bytes, native-endian.

use nix::errno::Errno;

use super::Caller;

/// A structure copied from the process.
pub(super) struct Fields<const N: usize>([u8; N]);

impl<const N: usize> Fields<N> {
    /// Copies the structure that the argument points to; `EFAULT` when it cannot be read.
    pub(super) fn read(caller: &dyn Caller) -> nix::Result<Self> {
        let mut bytes = [0; N];
        caller.read(caller.arg(), &mut bytes)?;
        Ok(Self(bytes))
    }

    /// As [`Fields::read`], and the first two words are the size and the flags: `EINVAL` for a size below ours or
    /// for flags beyond `allowed`.
    pub(super) fn checked(caller: &dyn Caller, allowed: Option<u32>) -> nix::Result<Self> {
        let fields = Self::read(caller)?;
        let too_small = usize::try_from(fields.u32(0)).is_ok_and(|size| size < N);
        let flags_wrong = allowed.is_some_and(|mask| fields.u32(4) & !mask != 0);
        if too_small || flags_wrong { Err(Errno::EINVAL) } else { Ok(fields) }
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        let mut b = [0; 4];
        b.copy_from_slice(&self.0[at..at + 4]);
        u32::from_ne_bytes(b)
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        let mut b = [0; 8];
        b.copy_from_slice(&self.0[at..at + 8]);
        u64::from_ne_bytes(b)
    }

    pub(super) fn set32(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }

    pub(super) fn set64(&mut self, at: usize, value: u64) {
        self.0[at..at + 8].copy_from_slice(&value.to_ne_bytes());
    }

    /// Copies it back.
    pub(super) fn write(&self, caller: &dyn Caller) -> nix::Result<()> {
        caller.write(caller.arg(), &self.0)
    }
}
