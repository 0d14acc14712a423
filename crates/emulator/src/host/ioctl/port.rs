//! ioctls of a port's node (`drivers/fpga/dfl-afu-main.c`, `dfl-afu-dma-region.c`, `dfl-afu-error.c`).

use std::sync::Arc;

use nix::errno::Errno;

use super::Caller;
use super::fields::Fields;
use crate::card::regs::{AFU_SIZE, USER_INTERRUPTS};
use crate::host::uapi::{self, size};
use crate::host::{EventSink, Kernel, Node, Slot, Unit};
use crate::machine::DmaRule;

/// Page size of the interface: mappings are multiples of it.
const PAGE: u64 = 4096;
/// End of the user address space on x86-64 and on arm64 with 48 bits, less one page.
const USER_END: u64 = (1 << 47) - PAGE;
/// The kernel allocates 4 MiB at once at most; the driver keeps a list of page pointers.
const MOST_PAGES: u64 = (4 << 20) / 8;
/// Direction flags that the out-of-tree driver takes.
const OPAE_DMA_FLAGS: u32 = 1 | 2;
/// User interrupts, as a count.
const USER_COUNT: u32 = USER_INTERRUPTS as u32;

/// Interrupts of one feature: index of the first in the port's table, and how many.
struct Feature {
    first: usize,
    count: u32,
}

const ERROR: Feature = Feature { first: 0, count: 1 };
const USER: Feature = Feature { first: 1, count: USER_COUNT };

impl Kernel {
    pub(super) fn dfl_port(
        &self,
        slot: usize,
        port: usize,
        command: u32,
        c: &dyn Caller,
    ) -> nix::Result<i64> {
        use uapi::dfl::*;
        match command {
            GET_API_VERSION | CHECK_EXTENSION => Ok(0),
            PORT_RESET => self.port_reset(slot, port, c),
            PORT_GET_INFO => {
                let mut info = Fields::<{ size::DFL_PORT_INFO }>::checked(c, None)?;
                info.set32(4, 0);
                info.set32(8, 1);
                info.set32(12, 0);
                info.write(c).map(|()| 0)
            }
            PORT_GET_REGION_INFO => region_info(c),
            PORT_DMA_MAP => self.dma_map(slot, port, 0, c),
            PORT_DMA_UNMAP => self.dma_unmap(slot, port, c),
            PORT_ERR_GET_IRQ_NUM => self.irq_count(slot, port, &ERROR, c),
            PORT_UINT_GET_IRQ_NUM => self.irq_count(slot, port, &USER, c),
            PORT_ERR_SET_IRQ => self.dfl_set_irq(slot, port, &ERROR, c),
            PORT_UINT_SET_IRQ => self.dfl_set_irq(slot, port, &USER, c),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(super) fn opae_port(
        &self,
        slot: usize,
        port: usize,
        command: u32,
        c: &dyn Caller,
    ) -> nix::Result<i64> {
        use uapi::opae::*;
        match command {
            GET_API_VERSION | CHECK_EXTENSION => Ok(0),
            PORT_RESET => self.port_reset(slot, port, c),
            PORT_GET_INFO => {
                let mut info = Fields::<{ size::OPAE_PORT_INFO }>::checked(c, None)?;
                let on_vf = self.host().slots.get(slot).is_some_and(|s| s.vf(port).is_some());
                let (capability, interrupts) =
                    if on_vf { (0, 0) } else { (CAP_ERR_IRQ | CAP_UAFU_IRQ, USER_COUNT) };
                for (at, value) in [(4, 0), (8, capability), (12, 1), (16, 0), (20, interrupts)] {
                    info.set32(at, value);
                }
                info.write(c).map(|()| 0)
            }
            PORT_GET_REGION_INFO => region_info(c),
            PORT_DMA_MAP => self.dma_map(slot, port, OPAE_DMA_FLAGS, c),
            PORT_DMA_UNMAP => self.dma_unmap(slot, port, c),
            PORT_ERR_SET_IRQ => {
                let set = Fields::<12>::checked(c, Some(0))?;
                self.set_irq(slot, port, &ERROR, 0, &[set.u32(8).cast_signed()], c)
            }
            PORT_UAFU_SET_IRQ => {
                let set = Fields::<16>::checked(c, Some(0))?;
                let (start, count) = (set.u32(8), set.u32(12));
                check_range(&USER, start, count)?;
                let fds = descriptors(c, 16, count)?;
                self.set_irq(slot, port, &USER, start, &fds, c)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn port_reset(&self, slot: usize, port: usize, c: &dyn Caller) -> nix::Result<i64> {
        if c.arg() != 0 {
            return Err(Errno::EINVAL);
        }
        self.on_slot(slot, |s| s.reset_port(port)).map(|()| 0)
    }

    fn dma_map(&self, slot: usize, port: usize, flags: u32, c: &dyn Caller) -> nix::Result<i64> {
        let mut map = Fields::<{ size::DMA_MAP }>::checked(c, Some(flags))?;
        let (user, length) = (map.u64(8), map.u64(16));
        if length / PAGE > i32::MAX as u64
            || !user.is_multiple_of(PAGE)
            || !length.is_multiple_of(PAGE)
            || length == 0
        {
            return Err(Errno::EINVAL);
        }
        let end = user.checked_add(length).ok_or(Errno::EINVAL)?;
        let rule = self.host().slots.get(slot).ok_or(Errno::ENODEV)?.spec.dma;
        let memory = c.memory()?;
        let locked: u64 = self
            .host()
            .slots
            .iter()
            .flat_map(|s| &s.ports)
            .map(|p| p.dma.locked_by(memory.process()))
            .sum();
        if c.lock_limit().is_some_and(|limit| locked.saturating_add(length) > limit) {
            return Err(Errno::ENOMEM);
        }
        if length / PAGE > MOST_PAGES {
            return Err(Errno::ENOMEM);
        }
        if end > USER_END {
            return Err(Errno::EFAULT);
        }
        c.pinnable(user, length, rule == DmaRule::Contiguous)?;
        let iova = self.on_port(slot, port, |p| p.dma.map(memory, user, length))??;
        map.set64(24, iova);
        if let Err(e) = map.write(c) {
            self.on_port(slot, port, |p| p.dma.unmap(iova))??;
            return Err(e);
        }
        self.observer.mapped(self, Node { slot, unit: Unit::Port(port) });
        Ok(0)
    }

    fn dma_unmap(&self, slot: usize, port: usize, c: &dyn Caller) -> nix::Result<i64> {
        let unmap = Fields::<{ size::DMA_UNMAP }>::checked(c, Some(0))?;
        self.on_port(slot, port, |p| p.dma.unmap(unmap.u64(8)))?.map(|()| 0)
    }

    /// A virtual function has no interrupt vectors.
    fn irqs(&self, slot: usize, port: usize, feature: &Feature) -> u32 {
        let on_vf = self.host().slots.get(slot).is_some_and(|s| s.vf(port).is_some());
        if on_vf { 0 } else { feature.count }
    }

    fn irq_count(
        &self,
        slot: usize,
        port: usize,
        feature: &Feature,
        c: &dyn Caller,
    ) -> nix::Result<i64> {
        let count = self.irqs(slot, port, feature);
        c.write(c.arg(), &count.to_ne_bytes()).map(|()| 0)
    }

    fn dfl_set_irq(
        &self,
        slot: usize,
        port: usize,
        feature: &Feature,
        c: &dyn Caller,
    ) -> nix::Result<i64> {
        if self.irqs(slot, port, feature) == 0 {
            return Err(Errno::ENOENT);
        }
        let set = Fields::<{ size::DFL_IRQ_SET }>::read(c)?;
        let (start, count) = (set.u32(0), set.u32(4));
        check_range(feature, start, count)?;
        let fds = descriptors(c, size::DFL_IRQ_SET, count)?;
        self.set_irq(slot, port, feature, start, &fds, c)
    }

    fn set_irq(
        &self,
        slot: usize,
        port: usize,
        feature: &Feature,
        start: u32,
        fds: &[i32],
        c: &dyn Caller,
    ) -> nix::Result<i64> {
        // The first wrong descriptor ends it, and those before it are taken away again, as `dfl_fpga_set_irq_triggers`
        // does; its own place has lost what it had by then.
        let sinks: Vec<_> = fds.iter().map(|fd| sink(c, *fd)).collect();
        let wrong = sinks.iter().position(Result::is_err);
        let result = wrong.map_or(Ok(0), |at| sinks[at].as_ref().map(|_| 0).map_err(|e| *e));
        let touched = wrong.map_or(sinks.len(), |at| at + 1);
        self.on_slot_quietly(slot, |s| {
            let Some(p) = s.ports.get_mut(port) else { return };
            let events = p.events.iter_mut().skip(feature.first + start as usize);
            for (event, sink) in events.zip(sinks).take(touched) {
                *event = sink.ok().flatten().filter(|_| wrong.is_none());
            }
            s.deliver_interrupts();
        })?;
        result
    }

    fn on_port<T>(
        &self,
        slot: usize,
        port: usize,
        f: impl FnOnce(&mut crate::host::PortState) -> T,
    ) -> nix::Result<T> {
        let mut host = self.host();
        let state =
            host.slots.get_mut(slot).and_then(|s| s.ports.get_mut(port)).ok_or(Errno::ENODEV)?;
        Ok(f(state))
    }

    /// Changes a card's state in a way that nothing shows.
    pub(in crate::host) fn on_slot_quietly<T>(
        &self,
        slot: usize,
        f: impl FnOnce(&mut Slot) -> T,
    ) -> nix::Result<T> {
        self.host().slots.get_mut(slot).map(f).ok_or(Errno::ENODEV)
    }

    /// Changes a card's state and tells the observer.
    pub(in crate::host) fn on_slot<T>(
        &self,
        slot: usize,
        f: impl FnOnce(&mut Slot) -> T,
    ) -> nix::Result<T> {
        self.update(|host| host.slots.get_mut(slot).map(f)).ok_or(Errno::ENODEV)
    }
}

fn region_info(c: &dyn Caller) -> nix::Result<i64> {
    let mut info = Fields::<{ size::REGION_INFO }>::checked(c, None)?;
    // There is one region, the function's registers; the padding must be zero.
    if info.u32(12) != 0 || info.u32(8) != 0 {
        return Err(Errno::EINVAL);
    }
    info.set32(4, uapi::REGION_FLAGS);
    info.set64(16, AFU_SIZE);
    info.set64(24, 0);
    info.write(c).map(|()| 0)
}

fn check_range(feature: &Feature, start: u32, count: u32) -> nix::Result<()> {
    let end = start.checked_add(count).ok_or(Errno::EINVAL)?;
    if count == 0 || end > feature.count { Err(Errno::EINVAL) } else { Ok(()) }
}

/// The descriptors that follow the structure.
pub(super) fn descriptors(c: &dyn Caller, after: usize, count: u32) -> nix::Result<Vec<i32>> {
    let mut bytes = vec![0; 4 * count as usize];
    c.read(c.arg().wrapping_add(after as u64), &mut bytes)?;
    Ok(bytes.chunks_exact(4).map(|b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]])).collect())
}

/// A negative descriptor takes the event away.
pub(super) fn sink(c: &dyn Caller, fd: i32) -> nix::Result<Option<Arc<dyn EventSink>>> {
    if fd < 0 { Ok(None) } else { c.event(fd).map(Some) }
}
