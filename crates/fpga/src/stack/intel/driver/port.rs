//! A port: the registers of an accelerator function and the memory that it may reach.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};

use super::abi::{
    DmaMap, DmaUnmap, REGION_MMAP, REGION_READ, REGION_WRITE, RegionInfo as RegionInfoArgument,
};
use super::device::Device;
use super::dma::DmaBuffer;
use super::error::{Error, Operation};
use super::mmio::Mmio;
use super::node::NodeKind;
use super::{dfl, opae};
use crate::card::Driver;
use crate::stack::Sharing;

/// Region 0: the registers of the accelerator function (`DFL_PORT_REGION_INDEX_AFU`).
pub const REGION_AFU: u32 = 0;
/// Region 1: the signal tap (`DFL_PORT_REGION_INDEX_STP`), where a bitstream has one.
pub const REGION_SIGNAL_TAP: u32 = 1;

/// An opened port, `dfl-port.N` or `intel-fpga-port.N`.
///
/// When the last user of a port closes it, the driver resets the port and forgets its mappings.
#[derive(Debug)]
pub struct Port(Device);

/// What the driver says about a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortInfo {
    /// Regions that can be asked for with [`Port::region_info`].
    pub num_regions: u32,
    /// User messages (a cache-coherent doorbell of integrated FPGAs).
    pub num_umsgs: u32,
    /// Interrupts that report the port's errors: 1, or 0 without support.
    pub num_error_irqs: u32,
    /// Interrupts that the accelerator function can raise.
    pub num_uafu_irqs: u32,
}

/// Where a region's registers are in the node, and what may be done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionInfo {
    /// Size in bytes.
    pub size: u64,
    /// Offset in the device file, for mmap(2).
    pub offset: u64,
    /// May be read.
    pub readable: bool,
    /// May be written.
    pub writable: bool,
    /// May be mapped.
    pub mappable: bool,
}

impl Port {
    /// Opens a port; others may have it open too.
    ///
    /// # Errors
    /// [`Error::UnknownNode`], or [`Error::Refused`]: EBUSY when somebody has it exclusively.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Device::open(path.as_ref(), NodeKind::Port, Sharing::Shared).map(Self)
    }

    /// Opens a port that nobody else has open, and keeps others out (`O_EXCL`).
    ///
    /// # Errors
    /// [`Error::UnknownNode`], or [`Error::Refused`]: EBUSY when anybody has it open.
    pub fn open_exclusive(path: impl AsRef<Path>) -> Result<Self, Error> {
        Device::open(path.as_ref(), NodeKind::Port, Sharing::Exclusive).map(Self)
    }

    /// The node that was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Version of the driver's interface (`GET_API_VERSION`): 0 in both drivers so far.
    ///
    /// # Errors
    /// The node is not one of the driver's, or is gone.
    pub fn api_version(&self) -> Result<u32, Error> {
        let answer = self.0.call_value(&self.0.common().get_api_version, 0);
        answer.map_err(|errno| self.0.error(Operation::ApiVersion, errno))
    }

    /// Whether the driver has an extension (`CHECK_EXTENSION`). None is defined so far.
    ///
    /// # Errors
    /// The driver does not answer.
    pub fn check_extension(&self, extension: u32) -> Result<bool, Error> {
        let answer = self.0.call_value(&self.0.common().check_extension, extension);
        answer.map(|n| n != 0).map_err(|errno| self.0.error(Operation::CheckExtension, errno))
    }

    /// Resets the port and its accelerator function (`PORT_RESET`). What runs is lost.
    ///
    /// # Errors
    /// The driver refuses, or the card does not finish (ETIMEDOUT).
    pub fn reset(&self) -> Result<(), Error> {
        let answer = self.0.call_value(&self.0.common().port_reset, 0);
        answer.map(drop).map_err(|errno| self.0.error(Operation::Reset, errno))
    }

    /// What the port has (`PORT_GET_INFO`).
    ///
    /// # Errors
    /// The driver does not answer.
    pub fn info(&self) -> Result<PortInfo, Error> {
        match self.0.driver() {
            Driver::Dfl => dfl::port_info(&self.0),
            Driver::Opae => opae::port_info(&self.0),
        }
    }

    /// One region (`PORT_GET_REGION_INFO`), such as [`REGION_AFU`].
    ///
    /// # Errors
    /// EINVAL when the port has no region of this index.
    pub fn region_info(&self, index: u32) -> Result<RegionInfo, Error> {
        let region = self.region(index)?;
        Ok(RegionInfo {
            size: region.size,
            offset: region.offset,
            readable: region.flags & REGION_READ != 0,
            writable: region.flags & REGION_WRITE != 0,
            mappable: region.flags & REGION_MMAP != 0,
        })
    }

    /// Maps all registers of a region, to be read and written.
    ///
    /// # Errors
    /// [`Error::NotMappable`] when the driver does not allow that, or a refused call.
    pub fn map_region(&self, index: u32) -> Result<Mmio, Error> {
        let region = self.region(index)?;
        let access = REGION_READ | REGION_WRITE | REGION_MMAP;
        let not_mappable = || Error::NotMappable {
            path: self.path().to_owned(),
            index,
            flags: region.flags,
            size: region.size,
        };
        if region.flags & access != access {
            return Err(not_mappable());
        }
        let size = usize::try_from(region.size).map_err(|_| not_mappable())?;
        let offset = i64::try_from(region.offset).map_err(|_| not_mappable())?;
        Mmio::map(&self.0, offset, size)
    }

    /// Pins `buffer` and makes it reachable for the card until the mapping is dropped
    /// (`PORT_DMA_MAP`).
    ///
    /// The drivers map physically contiguous memory only: one page, or what lies in one huge page
    /// ([`DmaBuffer::contiguous`]).
    ///
    /// # Errors
    /// [`Error::LockedMemory`] when the process may not pin that much; EINVAL when the memory is
    /// not contiguous.
    pub fn dma_map<'a>(&'a self, buffer: &'a DmaBuffer) -> Result<DmaMapping<'a>, Error> {
        let mut map =
            DmaMap { user_addr: buffer.address(), length: buffer.len() as u64, ..DmaMap::sized() };
        self.0
            .call(&self.0.common().port_dma_map, &mut map)
            .map_err(|errno| self.pin_error(buffer.len(), errno))?;
        Ok(DmaMapping { port: self, buffer, iova: map.iova })
    }

    fn region(&self, index: u32) -> Result<RegionInfoArgument, Error> {
        let mut region = RegionInfoArgument { index, ..RegionInfoArgument::sized() };
        let answer = self.0.call(&self.0.common().port_get_region_info, &mut region);
        answer.map(|()| region).map_err(|errno| self.0.error(Operation::RegionInfo, errno))
    }

    /// ENOMEM from pinning is the limit on locked memory (`account_locked_vm`), unless there is none.
    fn pin_error(&self, length: usize, errno: Errno) -> Error {
        match (errno, getrlimit(Resource::RLIMIT_MEMLOCK)) {
            (Errno::ENOMEM, Ok((limit, _))) if limit != nix::libc::RLIM_INFINITY => {
                Error::LockedMemory { path: self.path().to_owned(), length, limit }
            }
            _ => self.0.error(Operation::DmaMap, errno),
        }
    }
}

/// A buffer that the card can reach. Dropping it takes the buffer back.
#[derive(Debug)]
pub struct DmaMapping<'a> {
    port: &'a Port,
    buffer: &'a DmaBuffer,
    iova: u64,
}

impl DmaMapping<'_> {
    /// The address that the card uses for the buffer's first byte.
    #[must_use]
    pub fn iova(&self) -> u64 {
        self.iova
    }

    /// The memory behind the mapping.
    #[must_use]
    pub fn buffer(&self) -> &DmaBuffer {
        self.buffer
    }
}

impl Drop for DmaMapping<'_> {
    fn drop(&mut self) {
        let mut unmap = DmaUnmap { iova: self.iova, ..DmaUnmap::sized() };
        // The driver has forgotten the mapping already when the card is gone, and its pages stay
        // pinned until the node is closed when it refuses: nothing is left to do either way.
        let _ = self.port.0.call(&self.port.0.common().port_dma_unmap, &mut unmap);
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::Cause;
    use super::super::{DmaBuffer, Pages};
    use super::*;

    /// A plain file under a port's name: it opens, and answers no call.
    fn plain_file() -> (tempfile::TempDir, Port) {
        let dir = tempfile::tempdir().unwrap();
        let node = dir.path().join("dfl-port.0");
        std::fs::write(&node, "").unwrap();
        let port = Port::open_exclusive(&node).unwrap();
        (dir, port)
    }

    #[test]
    fn rejects_other_names() {
        let error = Port::open("/dev/null").unwrap_err();
        assert_eq!(
            error.to_string(),
            "/dev/null: not an FPGA port node: the name is neither dfl-port.N nor intel-fpga-port.N"
        );
    }

    #[test]
    fn an_absent_node_is_gone() {
        let error = Port::open("/nonexistent/intel-fpga-port.0").unwrap_err();
        assert_eq!(error.cause(), Cause::Gone);
        assert_eq!(
            error.to_string(),
            "/nonexistent/intel-fpga-port.0: cannot open: no such device node (ENOENT)"
        );
    }

    #[test]
    fn every_call_says_that_a_plain_file_is_no_device() {
        let (_dir, port) = plain_file();
        let buffer = DmaBuffer::allocate(1, Pages::Base).unwrap();
        let errors = [
            port.api_version().unwrap_err(),
            port.check_extension(0).unwrap_err(),
            port.reset().unwrap_err(),
            port.info().unwrap_err(),
            port.region_info(REGION_AFU).unwrap_err(),
            port.map_region(REGION_AFU).unwrap_err(),
            port.dma_map(&buffer).unwrap_err(),
        ];
        for error in errors {
            assert!(
                error.to_string().ends_with("the node is not an FPGA device (ENOTTY)"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_refused_pin_names_the_limit() {
        let (_dir, port) = plain_file();
        let (limit, _) = getrlimit(Resource::RLIMIT_MEMLOCK).unwrap();
        let expected =
            if limit == nix::libc::RLIM_INFINITY { Cause::Other } else { Cause::LockedMemory };
        assert_eq!(port.pin_error(4096, Errno::ENOMEM).cause(), expected);
        assert_eq!(port.pin_error(4096, Errno::EFAULT).cause(), Cause::Other);
    }
}
