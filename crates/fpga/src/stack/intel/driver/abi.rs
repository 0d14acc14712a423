//! Numbers and structures that cross into the kernel, and nothing else.
//!
//! Sources: `include/uapi/linux/fpga-dfl.h` (Linux 4.20 and later, magic `0xB6`) and the out-of-tree
//! driver's `intel-fpga.h` (magic `0xB5`). Both number most calls with plain `_IO`, whatever they
//! pass, so a number does not tell the size of its argument: `argsz` does.

#![allow(unsafe_code)]

use std::marker::PhantomData;

use crate::card::Driver;

/// The number of a call whose argument is a pointer to `T`, or a plain value where `T` is `()`.
/// The type keeps a number from being used with another call's argument.
pub(super) struct Request<T> {
    number: u32,
    argument: PhantomData<fn(T)>,
}

impl<T> Request<T> {
    const fn new(number: u32) -> Self {
        Self { number, argument: PhantomData }
    }

    /// `_IO(magic, number)` of `include/uapi/asm-generic/ioctl.h`.
    const fn io(magic: u32, number: u32) -> Self {
        Self::new(magic << 8 | number)
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }
}

impl Request<Integer> {
    /// `_IOW(magic, number, int)`: direction "write" in bits 31:30, the size in bits 29:16.
    const fn write_int(magic: u32, number: u32) -> Self {
        Self::new(1 << 30 | 4 << 16 | magic << 8 | number)
    }

    /// `_IOR(magic, number, __u32)`: direction "read" in bits 31:30, the size in bits 29:16.
    const fn read_int(magic: u32, number: u32) -> Self {
        Self::new(2 << 30 | 4 << 16 | magic << 8 | number)
    }
}

/// The calls that both drivers have with the same arguments; only the magic differs.
pub(super) struct Common {
    pub(super) get_api_version: Request<()>,
    pub(super) check_extension: Request<()>,
    pub(super) port_reset: Request<()>,
    pub(super) port_get_region_info: Request<RegionInfo>,
    pub(super) port_dma_map: Request<DmaMap>,
    pub(super) port_dma_unmap: Request<DmaUnmap>,
}

impl Common {
    pub(super) const fn of(driver: Driver) -> Self {
        let magic = match driver {
            Driver::Dfl => dfl::MAGIC,
            Driver::Opae => opae::MAGIC,
        };
        Self {
            get_api_version: Request::io(magic, 0x00),
            check_extension: Request::io(magic, 0x01),
            port_reset: Request::io(magic, 0x40),
            port_get_region_info: Request::io(magic, 0x42),
            port_dma_map: Request::io(magic, 0x43),
            port_dma_unmap: Request::io(magic, 0x44),
        }
    }
}

/// The other calls of the in-tree driver (`DFL_FPGA_*`).
pub(super) mod dfl {
    use super::{DflPortInfo, DflPortPr, Integer, Request};

    pub(super) const MAGIC: u32 = 0xB6;
    pub(in crate::stack) const PORT_GET_INFO: Request<DflPortInfo> = Request::io(MAGIC, 0x41);
    pub(in crate::stack) const PORT_ERR_GET_IRQ_NUM: Request<Integer> =
        Request::read_int(MAGIC, 0x45);
    pub(in crate::stack) const PORT_UINT_GET_IRQ_NUM: Request<Integer> =
        Request::read_int(MAGIC, 0x47);
    pub(in crate::stack) const FME_PORT_PR: Request<DflPortPr> = Request::io(MAGIC, 0x80);
    pub(in crate::stack) const FME_PORT_RELEASE: Request<Integer> = Request::write_int(MAGIC, 0x81);
    pub(in crate::stack) const FME_PORT_ASSIGN: Request<Integer> = Request::write_int(MAGIC, 0x82);
    pub(in crate::stack) const FME_ERR_GET_IRQ_NUM: Request<Integer> =
        Request::read_int(MAGIC, 0x83);
}

/// The other calls of the out-of-tree driver (`FPGA_*`).
pub(super) mod opae {
    use super::{OpaeFmeInfo, OpaePortId, OpaePortInfo, OpaePortPr, Request};

    pub(super) const MAGIC: u32 = 0xB5;
    pub(in crate::stack) const PORT_GET_INFO: Request<OpaePortInfo> = Request::io(MAGIC, 0x41);
    pub(in crate::stack) const FME_PORT_PR: Request<OpaePortPr> = Request::io(MAGIC, 0x80);
    pub(in crate::stack) const FME_PORT_RELEASE: Request<OpaePortId> = Request::io(MAGIC, 0x81);
    pub(in crate::stack) const FME_PORT_ASSIGN: Request<OpaePortId> = Request::io(MAGIC, 0x82);
    pub(in crate::stack) const FME_GET_INFO: Request<OpaeFmeInfo> = Request::io(MAGIC, 0x83);
}

/// Access rights of a region (`DFL_PORT_REGION_*`, `FPGA_REGION_*`).
pub(super) const REGION_READ: u32 = 1;
pub(super) const REGION_WRITE: u32 = 1 << 1;
pub(super) const REGION_MMAP: u32 = 1 << 2;

/// Capabilities of an out-of-tree port (`FPGA_PORT_CAP_*`) and FME (`FPGA_FME_CAP_*`).
pub(super) const PORT_CAP_ERR_IRQ: u32 = 1;
pub(super) const FME_CAP_ERR_IRQ: u32 = 1;

/// A structure of the list below: plain integers without implicit padding.
///
/// # Safety
/// The type must be `repr(C)`, have no padding bytes and accept every bit pattern, because the kernel
/// reads and writes all of it.
pub(super) unsafe trait Argument: Default {
    /// `argsz`, by which the kernel tells the versions of a structure apart.
    const SIZE: u32;
}

/// Declares `repr(C)` structures that begin with `argsz`, all of whose fields are integers.
macro_rules! arguments {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy, Default)]
        pub(super) struct $name {
            pub(super) argsz: u32,
            $(pub(super) $field: $type,)*
        }

        impl $name {
            /// A zeroed structure with `argsz` set.
            pub(super) fn sized() -> Self {
                Self { argsz: Self::SIZE, ..Self::default() }
            }
        }

        // SAFETY: `repr(C)` integers only, and the assertion below excludes padding.
        unsafe impl Argument for $name {
            // A structure of a few integers is far below 4 GiB.
            #[allow(clippy::cast_possible_truncation)]
            const SIZE: u32 = size_of::<Self>() as u32;
        }

        const _: () = assert!(size_of::<$name>() == size_of::<u32>() $(+ size_of::<$type>())*);
    )*};
}

arguments! {
    /// `struct dfl_fpga_port_info`.
    DflPortInfo { flags: u32, num_regions: u32, num_umsgs: u32 }
    /// `struct fpga_port_info` of the out-of-tree driver.
    OpaePortInfo { flags: u32, capability: u32, num_regions: u32, num_umsgs: u32, num_uafu_irqs: u32 }
    /// `struct dfl_fpga_port_region_info`, the same in both drivers.
    RegionInfo { flags: u32, index: u32, padding: u32, size: u64, offset: u64 }
    /// `struct dfl_fpga_port_dma_map`, the same in both drivers.
    DmaMap { flags: u32, user_addr: u64, length: u64, iova: u64 }
    /// `struct dfl_fpga_port_dma_unmap`, the same in both drivers.
    DmaUnmap { flags: u32, iova: u64 }
    /// `struct dfl_fpga_fme_port_pr`.
    DflPortPr { flags: u32, port_id: u32, buffer_size: u32, buffer_address: u64 }
    /// `struct fpga_fme_port_pr` of the out-of-tree driver.
    OpaePortPr { flags: u32, port_id: u32, buffer_size: u32, buffer_address: u64, status: u64 }
    /// `struct fpga_fme_port_release` and `_assign` of the out-of-tree driver.
    OpaePortId { flags: u32, port_id: u32 }
    /// `struct fpga_fme_info` of the out-of-tree driver.
    OpaeFmeInfo { flags: u32, capability: u32 }
}

/// A bare integer, as the in-tree driver's release, assign and interrupt counts pass it.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Integer(pub(super) u32);

// SAFETY: one integer.
unsafe impl Argument for Integer {
    const SIZE: u32 = 4;
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    fn common(driver: Driver) -> [u32; 6] {
        let calls = Common::of(driver);
        [
            calls.get_api_version.number(),
            calls.check_extension.number(),
            calls.port_reset.number(),
            calls.port_get_region_info.number(),
            calls.port_dma_map.number(),
            calls.port_dma_unmap.number(),
        ]
    }

    #[test]
    fn numbers_of_the_in_tree_driver() {
        assert_eq!(common(Driver::Dfl), [0xb600, 0xb601, 0xb640, 0xb642, 0xb643, 0xb644]);
        assert_eq!(dfl::PORT_GET_INFO.number(), 0xb641);
        assert_eq!(dfl::PORT_ERR_GET_IRQ_NUM.number(), 0x8004_b645);
        assert_eq!(dfl::PORT_UINT_GET_IRQ_NUM.number(), 0x8004_b647);
        assert_eq!(dfl::FME_PORT_PR.number(), 0xb680);
        assert_eq!(dfl::FME_PORT_RELEASE.number(), 0x4004_b681);
        assert_eq!(dfl::FME_PORT_ASSIGN.number(), 0x4004_b682);
        assert_eq!(dfl::FME_ERR_GET_IRQ_NUM.number(), 0x8004_b683);
    }

    #[test]
    fn numbers_of_the_out_of_tree_driver() {
        assert_eq!(common(Driver::Opae), [0xb500, 0xb501, 0xb540, 0xb542, 0xb543, 0xb544]);
        assert_eq!(opae::PORT_GET_INFO.number(), 0xb541);
        assert_eq!(opae::FME_PORT_PR.number(), 0xb580);
        assert_eq!(opae::FME_PORT_RELEASE.number(), 0xb581);
        assert_eq!(opae::FME_PORT_ASSIGN.number(), 0xb582);
        assert_eq!(opae::FME_GET_INFO.number(), 0xb583);
    }

    #[test]
    fn sizes() {
        assert_eq!(DflPortInfo::sized().argsz, 16);
        assert_eq!(OpaePortInfo::sized().argsz, 24);
        assert_eq!(RegionInfo::sized().argsz, 32);
        assert_eq!(DmaMap::sized().argsz, 32);
        assert_eq!(DmaUnmap::sized().argsz, 16);
        assert_eq!(DflPortPr::sized().argsz, 24);
        assert_eq!(OpaePortPr::sized().argsz, 32);
        assert_eq!(OpaePortId::sized().argsz, 12);
        assert_eq!(OpaeFmeInfo::sized().argsz, 12);
        assert_eq!(Integer::SIZE, 4);
    }

    #[test]
    fn offsets() {
        assert_eq!(
            (offset_of!(DflPortInfo, num_regions), offset_of!(DflPortInfo, num_umsgs)),
            (8, 12)
        );
        assert_eq!(
            (offset_of!(OpaePortInfo, capability), offset_of!(OpaePortInfo, num_regions)),
            (8, 12)
        );
        assert_eq!(
            (offset_of!(OpaePortInfo, num_umsgs), offset_of!(OpaePortInfo, num_uafu_irqs)),
            (16, 20)
        );
        assert_eq!((offset_of!(RegionInfo, flags), offset_of!(RegionInfo, index)), (4, 8));
        assert_eq!((offset_of!(RegionInfo, size), offset_of!(RegionInfo, offset)), (16, 24));
        assert_eq!((offset_of!(DmaMap, user_addr), offset_of!(DmaMap, length)), (8, 16));
        assert_eq!((offset_of!(DmaMap, iova), offset_of!(DmaUnmap, iova)), (24, 8));
        assert_eq!((offset_of!(DflPortPr, port_id), offset_of!(DflPortPr, buffer_size)), (8, 12));
        assert_eq!(offset_of!(DflPortPr, buffer_address), 16);
        assert_eq!(
            (offset_of!(OpaePortPr, buffer_address), offset_of!(OpaePortPr, status)),
            (16, 24)
        );
        assert_eq!((offset_of!(OpaePortId, port_id), offset_of!(OpaeFmeInfo, capability)), (8, 8));
    }
}
