//! ioctl(2) on a device node: the checks and error numbers of the two drivers.

mod fields;
mod fme;
mod port;

use std::sync::Arc;

use nix::errno::Errno;

use super::dma::Memory;
use super::slot::{EventSink, Link};
use super::{Kernel, Node, Unit, uapi};
use crate::machine::Driver;

/// The process that calls, as the drivers need it.
pub trait Caller {
    /// Third argument of the call.
    fn arg(&self) -> u64;

    /// Copies from the process.
    ///
    /// # Errors
    /// `EFAULT` when not all of it is readable.
    fn read(&self, address: u64, data: &mut [u8]) -> nix::Result<()>;

    /// Copies to the process.
    ///
    /// # Errors
    /// `EFAULT` when not all of it is writable.
    fn write(&self, address: u64, data: &[u8]) -> nix::Result<()>;

    /// False when the process was killed and nobody waits for an answer.
    fn is_waiting(&self) -> bool;

    /// The process's memory, for DMA.
    ///
    /// # Errors
    /// When it cannot be reached.
    fn memory(&self) -> nix::Result<Arc<dyn Memory>>;

    /// The eventfd that the process has as descriptor `fd`.
    ///
    /// # Errors
    /// `EBADF` for no descriptor, `EINVAL` for one that is not an eventfd.
    fn event(&self, fd: i32) -> nix::Result<Arc<dyn EventSink>>;

    /// Bytes that the process may lock; `None` for any number.
    fn lock_limit(&self) -> Option<u64>;

    /// Whether the driver could pin this memory.
    ///
    /// # Errors
    /// `EFAULT` when it is not all mapped and writable; `EINVAL` when it has to be `contiguous` and is not.
    fn pinnable(&self, address: u64, length: u64, contiguous: bool) -> nix::Result<()>;
}

/// True when the call may take long, so that it should not hold up others.
#[must_use]
pub fn is_slow(command: u32) -> bool {
    command == uapi::dfl::FME_PORT_PR || command == uapi::opae::FME_PORT_PR
}

/// `afu_ioctl` and `fme_ioctl` take `ENODEV` of a feature for a request that it does not know.
fn unhandled(error: Errno) -> Errno {
    if error == Errno::ENODEV { Errno::EINVAL } else { error }
}

impl Kernel {
    /// ioctl(2) on a node that was open when the driver was taken from its device: its value, or the error number. The
    /// in-tree driver still knows what needs no feature. (Linux 6.1 crashes when such a port is closed.)
    ///
    /// # Errors
    /// `EINVAL` for all else, from the out-of-tree driver `ENODEV`.
    pub fn ioctl_without_driver(&self, node: Node, command: u32) -> nix::Result<i64> {
        let in_tree = self.host().slots.get(node.slot).is_some_and(|s| !s.is_opae());
        match command {
            _ if !in_tree => Err(Errno::ENODEV),
            uapi::dfl::GET_API_VERSION | uapi::dfl::CHECK_EXTENSION => Ok(0),
            _ => Err(Errno::EINVAL),
        }
    }

    /// ioctl(2) on `node`: its value, or the error number.
    ///
    /// # Errors
    /// As the driver of the card answers.
    pub fn ioctl(&self, node: Node, command: u32, caller: &dyn Caller) -> nix::Result<i64> {
        let (driver, gone) = {
            let host = self.host();
            let slot = host.slots.get(node.slot).ok_or(Errno::ENODEV)?;
            let state = |p: usize| slot.ports.get(p).ok_or(Errno::ENODEV);
            let gone = slot.link != Link::Up
                || slot.bound.is_none()
                || match node.unit {
                    Unit::Fme => false,
                    Unit::Port(p) => {
                        slot.vf(p).is_none() && (state(p)?.released || state(p)?.driverless)
                    }
                };
            (slot.spec.driver, gone)
        };
        if gone {
            return self.ioctl_without_driver(node, command);
        }
        match (driver, node.unit) {
            (Driver::Dfl, Unit::Fme) => self.dfl_fme(node.slot, command, caller).map_err(unhandled),
            (Driver::Dfl, Unit::Port(port)) => {
                self.dfl_port(node.slot, port, command, caller).map_err(unhandled)
            }
            (Driver::Opae, Unit::Fme) => self.opae_fme(node.slot, command, caller),
            (Driver::Opae, Unit::Port(port)) => self.opae_port(node.slot, port, command, caller),
        }
    }
}
