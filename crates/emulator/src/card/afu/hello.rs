//! The hello function: its id and one scratch register.

use crate::card::mmio::Mmio;

/// Scratch register: keeps what is written, zero after reset.
const SCRATCH: u64 = 0x80;

pub(super) fn reset(mmio: &dyn Mmio) {
    mmio.set(SCRATCH, 0);
}
