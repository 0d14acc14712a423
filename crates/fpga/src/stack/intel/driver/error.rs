//! What can go wrong at the driver, in words.

use std::fmt;
use std::path::{Path, PathBuf};

pub use nix::errno::Errno;

/// What was asked of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// open(2) of the node.
    Open,
    /// `GET_API_VERSION`.
    ApiVersion,
    /// `CHECK_EXTENSION`.
    CheckExtension,
    /// `PORT_RESET`.
    Reset,
    /// `PORT_GET_INFO` and the interrupt counts.
    PortInfo,
    /// `PORT_GET_REGION_INFO`.
    RegionInfo,
    /// mmap(2) of a region.
    MapRegion,
    /// `PORT_DMA_MAP`.
    DmaMap,
    /// `FME_PORT_PR`.
    Program,
    /// `FME_PORT_RELEASE`.
    Release,
    /// `FME_PORT_ASSIGN`.
    Assign,
    /// `FME_GET_INFO` and the interrupt counts.
    FmeInfo,
}

impl Operation {
    /// The in-tree driver answers EINVAL for what nobody handles. As these requests are made here there is no other
    /// reason: the driver was taken away while the node was open.
    fn needs_only_a_driver(self) -> bool {
        matches!(self, Self::Reset | Self::PortInfo | Self::FmeInfo)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::ApiVersion => "get the API version",
            Self::CheckExtension => "check an extension",
            Self::Reset => "reset the port",
            Self::PortInfo => "get the port's properties",
            Self::RegionInfo => "get a region's properties",
            Self::MapRegion => "map a region's registers",
            Self::DmaMap => "map memory for DMA",
            Self::Program => "program",
            Self::Release => "release a port",
            Self::Assign => "assign a port",
            Self::FmeInfo => "get the management engine's properties",
        })
    }
}

/// What kind of trouble an [`Error`] is, for exit codes and retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Somebody else uses the device.
    Busy,
    /// The device is not there, or no driver is behind it.
    Gone,
    /// The caller may not use it.
    Denied,
    /// The limit on locked memory is too small.
    LockedMemory,
    /// Anything else.
    Other,
}

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node's name is not one that the drivers make.
    #[error("{}: not an FPGA {expected} node: the name is neither dfl-{expected}.N nor intel-fpga-{expected}.N", path.display())]
    UnknownNode {
        /// Path of the device node.
        path: PathBuf,
        /// `port` or `fme`.
        expected: &'static str,
    },
    /// The kernel refused.
    #[error("{}: cannot {operation}: {} ({errno:?})", path.display(), words(*operation, *errno))]
    Refused {
        /// Path of the device node.
        path: PathBuf,
        /// What was asked.
        operation: Operation,
        /// The kernel's answer.
        errno: Errno,
    },
    /// `RLIMIT_MEMLOCK` does not allow pinning this much more memory.
    #[error("{}: cannot map {length} bytes for DMA: the limit on locked memory ({} KiB) is reached: raise RLIMIT_MEMLOCK or grant CAP_IPC_LOCK (ENOMEM)", path.display(), limit / 1024)]
    LockedMemory {
        /// Path of the device node.
        path: PathBuf,
        /// Size of the mapping that was asked for, in bytes.
        length: usize,
        /// The soft limit in bytes.
        limit: u64,
    },
    /// The region cannot be mapped readable and writable.
    #[error("{}: region {index} cannot be mapped: access flags {flags:#x}, {size} bytes", path.display())]
    NotMappable {
        /// Path of the device node.
        path: PathBuf,
        /// Index of the region of registers.
        index: u32,
        /// The driver's access flags.
        flags: u32,
        /// Its size in bytes.
        size: u64,
    },
    /// A register access that is misaligned or outside the mapping.
    #[error("{}: no {width}-byte register at offset {offset:#x}: the mapping has {size:#x} bytes", path.display())]
    Register {
        /// Path of the device node.
        path: PathBuf,
        /// Offset in bytes.
        offset: usize,
        /// Width of the access in bytes.
        width: usize,
        /// Size of the mapping in bytes.
        size: usize,
    },
    /// No memory for a buffer.
    #[error("cannot allocate a buffer of {length} bytes: {} ({errno:?})", errno.desc())]
    Memory {
        /// Size that was asked for, in bytes.
        length: usize,
        /// The kernel's answer.
        errno: Errno,
    },
    /// A bitstream payload whose size the driver's interface cannot express.
    #[error("{}: cannot program {length} bytes: a payload has 1 byte to 4 GiB", path.display())]
    Payload {
        /// Path of the device node.
        path: PathBuf,
        /// Size of the payload in bytes.
        length: usize,
    },
    /// The out-of-tree driver reported reconfiguration errors.
    #[error("{}: programming port {port_id} failed: reconfiguration status {status:#x}", path.display())]
    Reconfiguration {
        /// Path of the device node.
        path: PathBuf,
        /// The port that was programmed.
        port_id: u32,
        /// The driver's status word, not zero.
        status: u64,
    },
}

impl Error {
    /// The kind of trouble.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self {
            Self::Refused { errno: Errno::EBUSY, .. } => Cause::Busy,
            Self::Refused { errno: Errno::ENODEV | Errno::ENXIO | Errno::ENOENT, .. } => {
                Cause::Gone
            }
            Self::Refused { operation, errno: Errno::EINVAL, .. }
                if operation.needs_only_a_driver() =>
            {
                Cause::Gone
            }
            Self::Refused { errno: Errno::EACCES | Errno::EPERM, .. } => Cause::Denied,
            Self::LockedMemory { .. } => Cause::LockedMemory,
            _ => Cause::Other,
        }
    }

    pub(super) fn refused(path: &Path, operation: Operation, errno: Errno) -> Self {
        Self::Refused { path: path.to_owned(), operation, errno }
    }
}

/// What an error number means at this operation (`drivers/fpga/dfl*.c`); the system's own words
/// where the drivers give it no particular meaning.
fn words(operation: Operation, errno: Errno) -> &'static str {
    match (operation, errno) {
        (Operation::Open, Errno::EBUSY) => "busy: another process uses the device",
        (Operation::Release, Errno::EBUSY) => "the port is in use, or released already",
        (Operation::Assign, Errno::EBUSY) => "the port is assigned already",
        (_, Errno::EBUSY) => "busy",
        (_, Errno::ENOENT) => "no such device node",
        (Operation::Open, Errno::ENODEV | Errno::ENXIO) => "no driver is bound to the device",
        // The in-tree driver turns its own ENODEV into EINVAL here.
        (Operation::Release | Operation::Assign, Errno::ENODEV | Errno::EINVAL) => {
            "the card has no such port"
        }
        (_, Errno::ENODEV) => "the device is gone",
        (operation, Errno::EINVAL) if operation.needs_only_a_driver() => "the device is gone",
        (_, Errno::EACCES | Errno::EPERM) => "permission denied",
        (_, Errno::ENOTTY) => "the node is not an FPGA device",
        (Operation::RegionInfo, Errno::EINVAL) => "no region has this index",
        (Operation::DmaMap, Errno::EINVAL) => {
            "the memory is not page-aligned or not physically contiguous"
        }
        (Operation::Program, Errno::EINVAL) => {
            "the card has no such port, or the driver rejected the request"
        }
        (Operation::Program, Errno::EIO) => "the card reported reconfiguration errors",
        (_, Errno::ETIMEDOUT) => "the card did not answer in time",
        (_, errno) => errno.desc(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(operation: Operation, errno: Errno) -> Error {
        Error::refused(Path::new("/dev/dfl-port.0"), operation, errno)
    }

    #[test]
    fn messages_name_the_node_the_operation_and_the_reason() {
        let table = [
            (
                refused(Operation::Open, Errno::EBUSY),
                "/dev/dfl-port.0: cannot open: busy: another process uses the device (EBUSY)",
            ),
            (
                refused(Operation::Open, Errno::ENXIO),
                "/dev/dfl-port.0: cannot open: no driver is bound to the device (ENXIO)",
            ),
            (
                refused(Operation::Open, Errno::EACCES),
                "/dev/dfl-port.0: cannot open: permission denied (EACCES)",
            ),
            (
                refused(Operation::DmaMap, Errno::EINVAL),
                "/dev/dfl-port.0: cannot map memory for DMA: the memory is not page-aligned or not physically contiguous (EINVAL)",
            ),
            (
                refused(Operation::ApiVersion, Errno::ENOTTY),
                "/dev/dfl-port.0: cannot get the API version: the node is not an FPGA device (ENOTTY)",
            ),
            (
                refused(Operation::Reset, Errno::EFAULT),
                "/dev/dfl-port.0: cannot reset the port: Bad address (EFAULT)",
            ),
        ];
        for (error, text) in table {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn the_memory_limit_is_named() {
        let error =
            Error::LockedMemory { path: "/dev/dfl-port.0".into(), length: 4096, limit: 65536 };
        assert_eq!(
            error.to_string(),
            "/dev/dfl-port.0: cannot map 4096 bytes for DMA: the limit on locked memory (64 KiB) is reached: \
             raise RLIMIT_MEMLOCK or grant CAP_IPC_LOCK (ENOMEM)"
        );
    }

    #[test]
    fn causes() {
        let cause = |errno| refused(Operation::Open, errno).cause();
        assert_eq!(cause(Errno::EBUSY), Cause::Busy);
        assert_eq!(cause(Errno::ENXIO), Cause::Gone);
        assert_eq!(cause(Errno::ENODEV), Cause::Gone);
        assert_eq!(cause(Errno::EACCES), Cause::Denied);
        assert_eq!(cause(Errno::EPERM), Cause::Denied);
        assert_eq!(cause(Errno::EINVAL), Cause::Other);
        let limit = Error::LockedMemory { path: "/dev/dfl-port.0".into(), length: 1, limit: 1 };
        assert_eq!(limit.cause(), Cause::LockedMemory);
    }
}
