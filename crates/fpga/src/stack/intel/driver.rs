//! The driver's verbs: ioctls, register mappings and memory that a card may reach.
//!
//! This is the only module of the library with `unsafe` code, and what it offers is safe: the two
//! kernel interfaces (the in-tree DFL driver, `include/uapi/linux/fpga-dfl.h`, and Intel's
//! out-of-tree OPAE driver, `intel-fpga.h`) look the same through [`Port`] and [`Fme`].
//!
//! ```no_run
//! use fpga::stack::intel::driver::{DmaBuffer, Pages, Port};
//!
//! let port = Port::open("/dev/dfl-port.0")?;
//! let registers = port.map_region(0)?;
//! let buffer = DmaBuffer::allocate(4096, Pages::Base)?;
//! let mapping = port.dma_map(&buffer)?;
//! registers.write64(0x120, mapping.iova() >> 6)?;
//! # Ok::<(), fpga::stack::intel::driver::Error>(())
//! ```

mod abi;
mod device;
mod dfl;
mod dma;
mod error;
mod fme;
mod mmio;
pub(super) mod node;
mod opae;
mod port;

pub use dma::{DmaBuffer, HUGE_PAGE_SIZE, Pages, page_size};
pub use error::{Cause, Errno, Error, Operation};
pub use fme::{Fme, FmeInfo};
pub use mmio::Mmio;
pub use node::{Node, NodeKind, port_nodes};
pub use port::{DmaMapping, Port, PortInfo, REGION_AFU, REGION_SIGNAL_TAP, RegionInfo};
