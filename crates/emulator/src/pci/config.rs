//! The 4 KiB of configuration space of a function (PCI Express Base Specification, chapter 7; the names of the
//! offsets are those of `include/uapi/linux/pci_regs.h`).

use crate::card::regs::PORT_SPAN;
use crate::machine::PciIds;

/// Bytes of a function's configuration space.
const SIZE: usize = 4096;

/// Size of BAR 0: the management engine.
pub(super) const FME_BAR: u64 = 0x8_0000;
/// Size of BAR 4: the MSI-X table and its pending bits.
pub(super) const MSIX_BAR: u64 = 0x1000;
/// Where the pending bits are in BAR 4.
pub(super) const MSIX_PENDING: u32 = 0x800;

/// Functions are that far from each other, and the first virtual one from the physical one: virt-pci of User Mode
/// Linux puts each on a device number of its own.
pub(super) const VF_DISTANCE: u16 = 8;

const COMMAND: usize = 0x04;
const COMMAND_MEMORY: u16 = 1 << 1;
const COMMAND_MASTER: u16 = 1 << 2;
const BAR0: usize = 0x10;
const BAR2: usize = 0x18;
const BAR4: usize = 0x20;
const BAR_64_BIT: u32 = 4;
/// Capabilities: PCI Express, MSI-X, and in the extended space SR-IOV.
const EXPRESS: usize = 0x40;
const MSIX: usize = 0x80;
const MSIX_FLAGS: usize = MSIX + 2;
const MSIX_ENABLE: u16 = 1 << 15;
const MSIX_MASK_ALL: u16 = 1 << 14;
const SRIOV: usize = 0x100;
const SRIOV_CTRL: usize = SRIOV + 0x08;
const SRIOV_ENABLE: u16 = 1;
const SRIOV_MEMORY: u16 = 1 << 3;
const SRIOV_ARI: u16 = 1 << 4;
const SRIOV_NUM_VFS: usize = SRIOV + 0x10;
const SRIOV_BAR0: usize = SRIOV + 0x24;

/// Where a card is in the guest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    /// Device number of the physical function.
    pub(super) number: u8,
    /// How many virtual functions follow it.
    pub(super) virtual_functions: u16,
}

/// Configuration space of a function, with what a host may write there.
#[derive(Clone)]
pub(super) struct Config {
    bytes: Box<[u8; SIZE]>,
    writable: Box<[u8; SIZE]>,
}

impl Config {
    /// Of a physical function with that many ports and interrupt vectors. `slot` is its device number.
    pub(super) fn physical(ids: &PciIds, ports: u64, vectors: u16, slot: Slot) -> Self {
        let mut c = Self::common(ids, ids.vendor, ids.device);
        c.put(0x3d, &[1]);
        c.bar(BAR0, FME_BAR);
        c.bar(BAR2, ports_bar(ports));
        c.bar(BAR4, MSIX_BAR);
        // The next capability.
        c.put(EXPRESS + 1, &[0x80]);
        c.put(MSIX, &[0x11, 0]);
        c.put(MSIX_FLAGS, &vectors.saturating_sub(1).to_le_bytes());
        c.allow(MSIX_FLAGS, &(MSIX_ENABLE | MSIX_MASK_ALL).to_le_bytes());
        // Table and pending bits are in BAR 4, at 0 and at MSIX_PENDING.
        c.put(MSIX + 4, &4_u32.to_le_bytes());
        c.put(MSIX + 8, &(MSIX_PENDING | 4).to_le_bytes());
        if slot.virtual_functions > 0 {
            c.sriov(ids.vf_device, slot);
        }
        c
    }

    /// Of a virtual function. Its ids are all ones, as SR-IOV has it: they are in the physical function.
    pub(super) fn virtual_function(ids: &PciIds) -> Self {
        Self::common(ids, 0xffff, 0xffff)
    }

    fn common(ids: &PciIds, vendor: u16, device: u16) -> Self {
        let mut c = Self { bytes: Box::new([0; SIZE]), writable: Box::new([0; SIZE]) };
        c.put(0x00, &vendor.to_le_bytes());
        c.put(0x02, &device.to_le_bytes());
        c.allow(COMMAND, &0x0547_u16.to_le_bytes());
        // Status: there is a capability list.
        c.put(0x06, &0x0010_u16.to_le_bytes());
        c.put(0x08, &(ids.class << 8).to_le_bytes());
        c.put(0x2c, &ids.subsystem_vendor.to_le_bytes());
        c.put(0x2e, &ids.subsystem_device.to_le_bytes());
        // The first capability.
        c.put(0x34, &[0x40]);
        c.allow(0x3c, &[0xff]);
        // An endpoint with 8 lanes of 8 GT/s that can be reset by itself.
        c.put(EXPRESS, &[0x10, 0, 0x02, 0]);
        c.put(EXPRESS + 0x04, &0x8000_u32.to_le_bytes());
        c.allow(EXPRESS + 0x08, &0x7fff_u16.to_le_bytes());
        c.put(EXPRESS + 0x0c, &0x83_u32.to_le_bytes());
        c.put(EXPRESS + 0x12, &0x83_u16.to_le_bytes());
        c
    }

    fn sriov(&mut self, device: u16, slot: Slot) {
        let count = slot.virtual_functions;
        self.put(SRIOV, &0x0001_0010_u32.to_le_bytes());
        self.allow(SRIOV_CTRL, &(SRIOV_ENABLE | SRIOV_MEMORY | SRIOV_ARI).to_le_bytes());
        self.put(SRIOV + 0x0c, &count.to_le_bytes());
        self.put(SRIOV + 0x0e, &count.to_le_bytes());
        self.allow(SRIOV_NUM_VFS, &0xffff_u16.to_le_bytes());
        // It depends on no other function: the number of its own, which Linux takes as of the whole bus.
        self.put(SRIOV + 0x12, &[slot.number << 3]);
        self.put(SRIOV + 0x14, &VF_DISTANCE.to_le_bytes());
        self.put(SRIOV + 0x16, &VF_DISTANCE.to_le_bytes());
        self.put(SRIOV + 0x1a, &device.to_le_bytes());
        // Pages of 4 KiB, supported and chosen.
        self.put(SRIOV + 0x1c, &1_u32.to_le_bytes());
        self.put(SRIOV + 0x20, &1_u32.to_le_bytes());
        self.bar(SRIOV_BAR0, PORT_SPAN);
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn allow(&mut self, at: usize, mask: &[u8]) {
        self.writable[at..at + mask.len()].copy_from_slice(mask);
    }

    /// A 64-bit memory BAR; `size` is a power of two.
    fn bar(&mut self, at: usize, size: u64) {
        self.put(at, &BAR_64_BIT.to_le_bytes());
        self.allow(at, &(!(size - 1)).to_le_bytes());
    }

    /// Fills `out` from `offset`; all ones past the end.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) {
        out.fill(0xff);
        let from = start(offset).and_then(|o| self.bytes.get(o..)).unwrap_or_default();
        out.iter_mut().zip(from).for_each(|(to, byte)| *to = *byte);
    }

    /// Writes those bits that a host may write.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        let Some(offset) = start(offset) else { return };
        let bytes = self.bytes.iter_mut().zip(self.writable.iter()).skip(offset);
        for ((byte, mask), new) in bytes.zip(data) {
            *byte = *byte & !mask | new & mask;
        }
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    fn address(&self, at: usize) -> u64 {
        let bytes: [u8; 8] = std::array::from_fn(|i| self.bytes[at + i]);
        u64::from_le_bytes(bytes) & !0xf
    }

    /// Where the ports are in the host's physical memory, while the function answers there.
    pub(super) fn ports_at(&self) -> Option<u64> {
        (self.u16(COMMAND) & COMMAND_MEMORY != 0).then(|| self.address(BAR2))
    }

    /// Where the virtual functions' ports are, one after the other, while they answer there.
    pub(super) fn virtual_ports_at(&self) -> Option<u64> {
        let on = SRIOV_ENABLE | SRIOV_MEMORY;
        (self.u16(SRIOV_CTRL) & on == on).then(|| self.address(SRIOV_BAR0))
    }

    /// Virtual functions that exist.
    pub(super) fn virtual_functions(&self) -> usize {
        let enabled = self.u16(SRIOV_CTRL) & SRIOV_ENABLE != 0;
        if enabled { usize::from(self.u16(SRIOV_NUM_VFS)) } else { 0 }
    }

    /// True while the function may reach the host's memory.
    pub(super) fn is_master(&self) -> bool {
        self.u16(COMMAND) & COMMAND_MASTER != 0
    }

    /// True while MSI-X interrupts may be sent.
    pub(super) fn interrupts(&self) -> bool {
        self.u16(MSIX_FLAGS) & (MSIX_ENABLE | MSIX_MASK_ALL) == MSIX_ENABLE
    }
}

fn start(offset: u64) -> Option<usize> {
    usize::try_from(offset).ok().filter(|o| *o < SIZE)
}

/// Size of BAR 2 for a number of ports.
pub(super) fn ports_bar(ports: u64) -> u64 {
    (PORT_SPAN * ports).next_power_of_two()
}
