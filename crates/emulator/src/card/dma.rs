//! The card's way to the host's memory.

/// An access to an address that is not mapped for the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no memory mapped for the card at {address:#x}")]
pub struct Fault {
    /// First address of the access.
    pub address: u64,
}

/// Memory at I/O virtual addresses. Stores of one call may become visible in any order; those of two calls
/// become visible in the order of the calls.
pub trait Dma {
    /// Fills `data` from `address`.
    ///
    /// # Errors
    /// [`Fault`] when not all of it is mapped.
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), Fault>;

    /// Stores `data` at `address`.
    ///
    /// # Errors
    /// [`Fault`] when not all of it is mapped.
    fn write(&self, address: u64, data: &[u8]) -> Result<(), Fault>;
}
