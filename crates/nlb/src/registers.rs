//! The function's registers: where they are, and the list of feature headers they are found by.

use fpga::id::AfuId;
use fpga::stack::intel::driver::{Error, Mmio};

/// Address of the status line's page in bytes, one 64-bit write.
pub(crate) const DSM_BASE: usize = 0x110;
/// Source and destination, in cache lines.
pub(crate) const SOURCE: usize = 0x120;
pub(crate) const DESTINATION: usize = 0x128;
/// Cache lines to move, 20 bits.
pub(crate) const LINES: usize = 0x130;
/// [`CONTROL_RESET`], [`CONTROL_RUN`], [`CONTROL_START`] or [`CONTROL_STOP`].
pub(crate) const CONTROL: usize = 0x138;
/// Bit 1 continuous, bits 4:2 the test.
pub(crate) const CONFIG: usize = 0x140;
/// Transactions that are not finished.
pub(crate) const PENDING: usize = 0x168;
/// Bits 47:32: the clock in MHz, 0 for [`DEFAULT_MHZ`].
pub(crate) const CLOCK: usize = 0x170;
/// Lines to skip after each access.
pub(crate) const STRIDE: usize = 0x178;

pub(crate) const CONTROL_RESET: u32 = 0;
pub(crate) const CONTROL_RUN: u32 = 1;
pub(crate) const CONTROL_START: u32 = 3;
pub(crate) const CONTROL_STOP: u32 = 7;

pub(crate) const CONFIG_CONTINUOUS: u32 = 1 << 1;
/// The test of the throughput function that reads and writes all lines.
pub(crate) const CONFIG_READ_AND_WRITE: u32 = 3 << 2;

pub(crate) const DEFAULT_MHZ: u64 = 400;

/// Access to a function's registers: the mapping of a port, or a model of one.
pub(crate) trait Registers {
    fn read64(&self, offset: usize) -> Result<u64, Error>;
    fn write32(&self, offset: usize, value: u32) -> Result<(), Error>;
    fn write64(&self, offset: usize, value: u64) -> Result<(), Error>;
}

impl Registers for Mmio {
    fn read64(&self, offset: usize) -> Result<u64, Error> {
        Mmio::read64(self, offset)
    }

    fn write32(&self, offset: usize, value: u32) -> Result<(), Error> {
        Mmio::write32(self, offset, value)
    }

    fn write64(&self, offset: usize, value: u64) -> Result<(), Error> {
        Mmio::write64(self, offset, value)
    }
}

/// The id in the header at `offset` (`DFH`, `GUID_L`, `GUID_H` of `drivers/fpga/dfl.h`).
pub(crate) fn id_at(registers: &impl Registers, offset: usize) -> Result<AfuId, Error> {
    let low = registers.read64(offset + 0x08)?;
    let high = registers.read64(offset + 0x10)?;
    Ok(AfuId::from_registers(high, low))
}

/// Walks the list of feature headers from the start and returns where the first one with this id is.
///
/// A function may be one of several behind a common header, so its own need not be the first.
pub(crate) fn find_feature(registers: &impl Registers, id: AfuId) -> Result<Option<usize>, Error> {
    const END_OF_LIST: u64 = 1 << 40;
    let mut offset = 0;
    loop {
        let header = registers.read64(offset)?;
        // Only accelerator functions (1) and building blocks (2) have an id; private features do not.
        if matches!(header >> 60, 1 | 2) && id_at(registers, offset)? == id {
            return Ok(Some(offset));
        }
        // Bits 39:16 are at most 24 bits, which every usize holds. Steps go forward only, so the walk
        // ends at the latest at the end of the region, whose accesses are checked.
        let step = usize::try_from(header >> 16 & 0xff_ffff).unwrap_or(0);
        if header & END_OF_LIST != 0 || step == 0 {
            return Ok(None);
        }
        offset += step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::Mode;
    use crate::testing::PlainRegisters;

    const AFU: u64 = 1 << 60;
    const PRIVATE: u64 = 3 << 60;
    const END: u64 = 1 << 40;

    fn put_id(registers: &PlainRegisters, offset: usize, id: u128) {
        let bytes = id.to_be_bytes();
        registers.put(offset + 0x10, u64::from_be_bytes(bytes[..8].try_into().unwrap()));
        registers.put(offset + 0x08, u64::from_be_bytes(bytes[8..].try_into().unwrap()));
    }

    #[test]
    fn the_only_header() {
        let registers = PlainRegisters::new(0x200);
        registers.put(0, AFU | END);
        put_id(&registers, 0, 0xf7df405cbd7acf7222f144b0b93acd18);
        assert_eq!(id_at(&registers, 0).unwrap(), Mode::Throughput.afu_id());
        assert_eq!(find_feature(&registers, Mode::Throughput.afu_id()).unwrap(), Some(0));
        assert_eq!(find_feature(&registers, Mode::Copy.afu_id()).unwrap(), None);
    }

    #[test]
    fn a_later_header() {
        let registers = PlainRegisters::new(0x2000);
        registers.put(0, AFU | 0x100 << 16);
        put_id(&registers, 0, 1);
        // A private feature whose words happen to look like the id is not it.
        registers.put(0x100, PRIVATE | 0x400 << 16);
        put_id(&registers, 0x100, 0xd8424dc4a4a3c413f89e433683f9040b);
        registers.put(0x500, AFU | END);
        put_id(&registers, 0x500, 0xd8424dc4a4a3c413f89e433683f9040b);
        assert_eq!(find_feature(&registers, Mode::Copy.afu_id()).unwrap(), Some(0x500));
    }

    #[test]
    fn a_list_that_leaves_the_region_is_an_error() {
        let registers = PlainRegisters::new(0x200);
        registers.put(0, AFU | 0x1000 << 16);
        let error = find_feature(&registers, Mode::Copy.afu_id()).unwrap_err().to_string();
        assert!(error.contains("no 8-byte register at offset 0x1000"), "{error}");
    }
}
