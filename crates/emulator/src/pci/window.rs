//! The file behind the cards' registers: the guest has it as I/O memory where it puts BARs, so that its user space can
//! map the registers of a function, and this side maps the same pages.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::card::mmio::Mmio;
use crate::card::regs::AFU_SIZE;

/// Where virt-pci places BARs (`virt_iomem_resource` in the kernel's `arch/um/drivers/virt-pci.c`).
pub(super) const START: u64 = 0xf000_0000;
/// Size of the file: eight functions with all their BARs fit.
pub(super) const SIZE: u64 = 32 << 20;
/// The guest's memory that makes I/O memory start at [`START`]: it begins one page after memory ends.
pub(super) const GUEST_MEMORY: &str = "mem=3932156K";

pub(super) struct Window(File);

impl Window {
    /// Opens or makes the file. One that exists keeps its content: a guest may have it mapped.
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        if file.metadata()?.len() < SIZE {
            file.set_len(SIZE)?;
        }
        Ok(Self(file))
    }

    /// Registers of a function at a guest physical address; `None` outside of the file.
    pub(super) fn registers(&self, address: u64) -> Option<Arc<dyn Mmio>> {
        let start = address.checked_sub(START)?;
        start.checked_add(AFU_SIZE).filter(|end| *end <= SIZE)?;
        match crate::sys::registers::map_at(&self.0, start) {
            Ok(mapped) => Some(mapped),
            Err(e) => {
                eprintln!("fpga-emulator: registers at {address:#x}: {e}");
                None
            }
        }
    }
}

/// Fills the page of a function's registers that functions use.
pub(super) fn fill(registers: &dyn Mmio, value: u64) {
    const PAGE: u64 = 4096;
    (0..PAGE).step_by(8).for_each(|offset| registers.set(offset, value));
}
