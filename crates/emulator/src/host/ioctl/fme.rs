//! ioctls of the management node (`drivers/fpga/dfl-fme-main.c`, `dfl-fme-pr.c`, `dfl-fme-error.c`).

use nix::errno::Errno;

use super::Caller;
use super::fields::Fields;
use super::port::{descriptors, sink};
use crate::host::uapi::{self, size};
use crate::host::{Kernel, Node, Unit};

impl Kernel {
    pub(super) fn dfl_fme(&self, slot: usize, command: u32, c: &dyn Caller) -> nix::Result<i64> {
        use uapi::dfl::*;
        match command {
            GET_API_VERSION | CHECK_EXTENSION => Ok(0),
            FME_PORT_PR if self.is_reconfigurable(slot) => {
                let pr = Fields::<{ size::DFL_PORT_PR }>::read(c)?;
                self.reconfigure(slot, &request(&pr), c).map(|()| 0)
            }
            FME_PORT_RELEASE => self.release(slot, port_number(c)?),
            FME_PORT_ASSIGN => self.assign(slot, port_number(c)?),
            FME_ERR_GET_IRQ_NUM => c.write(c.arg(), &1u32.to_ne_bytes()).map(|()| 0),
            FME_ERR_SET_IRQ => {
                let set = Fields::<{ size::DFL_IRQ_SET }>::read(c)?;
                if (set.u32(0), set.u32(4)) != (0, 1) {
                    return Err(Errno::EINVAL);
                }
                let fds = descriptors(c, size::DFL_IRQ_SET, 1)?;
                self.set_error_event(slot, fds[0], c)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    pub(super) fn opae_fme(&self, slot: usize, command: u32, c: &dyn Caller) -> nix::Result<i64> {
        use uapi::opae::*;
        match command {
            GET_API_VERSION | CHECK_EXTENSION => Ok(0),
            FME_PORT_PR if self.is_reconfigurable(slot) => {
                let mut pr = Fields::<{ size::OPAE_PORT_PR }>::read(c)?;
                let result = self.reconfigure(slot, &request(&pr), c);
                let error = self.host().slots.get(slot).map_or(0, |s| s.manager.error);
                if matches!(result, Ok(()) | Err(Errno::EIO)) {
                    pr.set64(24, error);
                    pr.write(c)?;
                }
                result.map(|()| 0)
            }
            FME_PORT_RELEASE => {
                self.release(slot, Fields::<{ size::OPAE_PORT }>::checked(c, Some(0))?.u32(8))
            }
            FME_PORT_ASSIGN => {
                self.assign(slot, Fields::<{ size::OPAE_PORT }>::checked(c, Some(0))?.u32(8))
            }
            FME_GET_INFO => {
                let mut info = Fields::<{ size::OPAE_FME_INFO }>::checked(c, None)?;
                info.set32(4, 0);
                info.set32(8, CAP_ERR_IRQ);
                info.write(c).map(|()| 0)
            }
            FME_ERR_SET_IRQ => {
                let set = Fields::<12>::checked(c, Some(0))?;
                self.set_error_event(slot, set.u32(8).cast_signed(), c)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn is_reconfigurable(&self, slot: usize) -> bool {
        self.host().slots.get(slot).is_some_and(|s| s.spec.interface_id.is_some())
    }

    fn release(&self, slot: usize, port: u32) -> nix::Result<i64> {
        let port = port as usize;
        if self.observer.is_open(Node { slot, unit: Unit::Port(port) }) {
            return Err(Errno::EBUSY);
        }
        self.on_slot(slot, |s| s.release(port))?.map(|()| 0)
    }

    fn assign(&self, slot: usize, port: u32) -> nix::Result<i64> {
        self.on_slot(slot, |s| s.assign(port as usize))?.map(|()| 0)
    }

    fn set_error_event(&self, slot: usize, fd: i32, c: &dyn Caller) -> nix::Result<i64> {
        let event = sink(c, fd);
        let result = event.as_ref().map(|_| 0).map_err(|e| *e);
        // A wrong descriptor takes away what was there, too.
        self.on_slot_quietly(slot, |s| {
            s.error_event = event.ok().flatten();
            s.deliver_interrupts();
        })?;
        result
    }
}

fn port_number(c: &dyn Caller) -> nix::Result<u32> {
    Ok(Fields::<4>::read(c)?.u32(0))
}

/// The fields that both drivers' structures have in common.
fn request<const N: usize>(pr: &Fields<N>) -> crate::host::pr::Request {
    crate::host::pr::Request {
        declared_size: pr.u32(0) as usize,
        struct_size: N,
        flags: pr.u32(4),
        port: pr.u32(8) as usize,
        length: pr.u32(12),
        address: pr.u64(16),
    }
}
