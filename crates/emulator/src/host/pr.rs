//! Partial reconfiguration as the kernel does it (`dfl-fme-pr.c`, `fpga-region.c`, `dfl-fme-mgr.c`).

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::unistd::{SysconfVar, sysconf};

use super::ioctl::Caller;
use super::slot::{Link, ManagerState};
use super::{Kernel, Slot};
use crate::card::regs::*;

/// How often completion is looked for.
const POLL: Duration = Duration::from_micros(200);
/// End of the user address space.
const USER_END: u64 = (1 << 47) - 4096;
/// Bytes given to the engine at once: others get the card in between.
const BURST: usize = 1 << 20;

/// What the process asks for.
pub(super) struct Request {
    pub(super) declared_size: usize,
    pub(super) struct_size: usize,
    pub(super) flags: u32,
    pub(super) port: usize,
    pub(super) length: u32,
    pub(super) address: u64,
}

/// How the engine's part ended.
enum End {
    Done,
    Failed(Errno),
    /// The process was killed before the last word was committed: nothing changed in the region.
    Abandoned,
}

impl Kernel {
    /// Programs the region behind a port.
    pub(super) fn reconfigure(
        &self,
        slot: usize,
        request: &Request,
        caller: &dyn Caller,
    ) -> nix::Result<()> {
        let data = self.fetch(slot, request, caller)?;
        let _one_at_a_time = self.programming(slot);
        self.on_live_slot(slot, |s| s.disable_port(request.port))?;
        self.observer.changed(self);
        let end = self.load(slot, request.port, &data, caller);
        self.on_slot(slot, |s| match end {
            End::Done | End::Abandoned => s.enable_port(request.port),
            // The in-tree driver leaves the bridge disabled: the port stays out of use until the driver is bound anew.
            End::Failed(_) if s.is_opae() => s.enable_port(request.port),
            End::Failed(_) => {}
        })?;
        match end {
            End::Done => Ok(()),
            End::Failed(e) => Err(e),
            End::Abandoned => Err(Errno::EINTR),
        }
    }

    /// The driver's checks, in its order, and the copy of the bitstream.
    fn fetch(&self, slot: usize, r: &Request, caller: &dyn Caller) -> nix::Result<Vec<u8>> {
        if r.declared_size < r.struct_size || r.flags != 0 {
            return Err(Errno::EINVAL);
        }
        let ports = self.host().slots.get(slot).map_or(0, |s| s.ports.len());
        if r.port >= ports {
            return Err(Errno::EINVAL);
        }
        // The largest sizes become 0 when they are rounded up. vmalloc gives neither nothing nor more than there is.
        let padded = r.length.checked_next_multiple_of(4).unwrap_or(0);
        if padded == 0 || u64::from(padded) > machine_memory() {
            return Err(Errno::ENOMEM);
        }
        r.address
            .checked_add(u64::from(r.length))
            .filter(|end| *end <= USER_END)
            .ok_or(Errno::EFAULT)?;
        let size = |n: u32| usize::try_from(n).map_err(|_| Errno::ENOMEM);
        let mut data = vec![0; size(padded)?];
        caller.read(r.address, &mut data[..size(r.length)?])?;
        Ok(data)
    }

    fn load(&self, slot: usize, port: usize, data: &[u8], caller: &dyn Caller) -> End {
        match self.drive_engine(slot, port, data, caller) {
            Ok(end) => end,
            Err(e) => End::Failed(e),
        }
    }

    fn drive_engine(
        &self,
        slot: usize,
        port: usize,
        data: &[u8],
        caller: &dyn Caller,
    ) -> nix::Result<End> {
        self.on_live_slot(slot, |s| s.start_engine(port))?;
        for chunk in data.chunks(BURST) {
            self.on_live_slot(slot, |s| s.card.push_pr_data(chunk))?;
        }
        if !caller.is_waiting() {
            self.on_live_slot(slot, Slot::reset_engine)?;
            return Ok(End::Abandoned);
        }
        self.on_live_slot(slot, Slot::complete_engine)?;
        let deadline = Instant::now() + self.pr_timeout;
        loop {
            if self.on_live_slot(slot, |s| s.card.fme_read(PR_CTRL) & PR_START == 0)? {
                return self
                    .on_live_slot(slot, Slot::end_engine)
                    .map(|e| e.map_or(End::Done, End::Failed));
            }
            if !caller.is_waiting() {
                self.on_live_slot(slot, Slot::reset_engine)?;
                return Ok(End::Abandoned);
            }
            let now = Instant::now();
            if now >= deadline {
                self.on_live_slot(slot, |s| s.fail_engine("write complete error", 0))?;
                return Ok(End::Failed(Errno::ETIMEDOUT));
            }
            let due = self.host().slots.get(slot).and_then(|s| s.card.pr_done_at());
            let wait =
                due.map_or(POLL, |at| at.saturating_duration_since(now).clamp(POLL, 25 * POLL));
            std::thread::sleep(wait.min(deadline - now));
        }
    }

    /// `ENODEV` once the card is gone. Does not tell the observer.
    fn on_live_slot<T>(&self, slot: usize, f: impl FnOnce(&mut Slot) -> T) -> nix::Result<T> {
        let mut host = self.host();
        let slot = host.slots.get_mut(slot).filter(|s| s.link == Link::Up && s.bound.is_some());
        slot.map(f).ok_or(Errno::ENODEV)
    }
}

/// Bytes of memory that this machine has.
fn machine_memory() -> u64 {
    let pages = sysconf(SysconfVar::_PHYS_PAGES).ok().flatten();
    pages.and_then(|pages| u64::try_from(pages).ok()).map_or(u64::MAX, |pages| pages * 4096)
}

impl Slot {
    fn control_engine(&mut self, set: u64, clear: u64) {
        let control = self.card.fme_read(PR_CTRL);
        self.card.fme_write(PR_CTRL, control & !clear | set);
    }

    fn reset_engine(&mut self) {
        self.control_engine(PR_RST, 0);
        self.control_engine(0, PR_RST);
        self.manager = ManagerState { state: "unknown", error: 0 };
    }

    fn start_engine(&mut self, port: usize) {
        self.reset_engine();
        self.manager = ManagerState { state: "write", error: 0 };
        self.control_engine((port as u64) << PR_REGION_SHIFT, 7 << PR_REGION_SHIFT);
        self.control_engine(PR_START, 0);
    }

    fn complete_engine(&mut self) {
        self.control_engine(PR_COMPLETE, 0);
    }

    fn fail_engine(&mut self, state: &'static str, error: u64) {
        self.manager = ManagerState { state, error };
        self.touch();
    }

    /// Reads and clears the engine's error.
    fn end_engine(&mut self) -> Option<Errno> {
        if self.card.fme_read(PR_STS) & PR_STS_FAILED == 0 {
            self.manager = ManagerState { state: "operating", error: 0 };
            return None;
        }
        let error = self.card.fme_read(PR_ERR);
        self.card.fme_write(PR_ERR, error);
        self.fail_engine("write complete error", error);
        Some(Errno::EIO)
    }
}
