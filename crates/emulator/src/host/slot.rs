//! One card with its driver's state.

use std::collections::BTreeMap;
use std::sync::Arc;

use nix::errno::Errno;

use super::dma::DmaSpace;
use super::numbers::{Bound, Numbers, Vf};
use crate::card::regs::*;
use crate::card::{Build, Card, Interrupt};
use crate::machine::{CardSpec, Driver};

/// Whether the card is on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// The kernel knows it and it answers.
    Up,
    /// It would answer, but was removed from the kernel's view; a rescan finds it.
    Removed,
    /// It fell off the bus.
    Gone,
}

/// A card with the state that its driver keeps.
pub struct Slot {
    /// What it was built from.
    pub spec: CardSpec,
    /// Its registers.
    pub card: Card,
    /// Whether it is on the bus.
    pub link: Link,
    /// Numbers of its devices while the driver is bound.
    pub bound: Option<Bound>,
    /// Driver state of the ports.
    pub ports: Vec<PortState>,
    /// State of the FPGA manager.
    pub manager: ManagerState,
    /// The eventfd that the management engine's error interrupt signals.
    pub error_event: Option<Arc<dyn EventSink>>,
    /// The interrupt came while nobody had an eventfd for it: the card sends it as soon as somebody has (MSI-X's
    /// pending bit).
    pub(super) error_pending: bool,
    /// Attributes that answer an error instead of their value, by their path from the root of the tree.
    pub denied: BTreeMap<String, Errno>,
    revision: u64,
}

/// What a port's driver knows.
#[derive(Default)]
pub struct PortState {
    /// How often it was disabled and not enabled again; its id is not readable until 0.
    pub disabled: u32,
    /// Released by the physical function.
    pub released: bool,
    /// Assigned back, but without a driver: what Linux 6.1 leaves after a release.
    pub driverless: bool,
    /// Memory of clients that is mapped for it.
    pub dma: DmaSpace,
    /// Eventfds: the error interrupt, then the user interrupts.
    pub events: [Option<Arc<dyn EventSink>>; 1 + USER_INTERRUPTS as usize],
    /// As [`Slot::error_pending`], for the error interrupt.
    pub(super) error_pending: bool,
}

/// The FPGA manager's `state` and `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManagerState {
    /// Text of `state` (`drivers/fpga/fpga-mgr.c`).
    pub state: &'static str,
    /// Bits of the last `PR_ERR`.
    pub error: u64,
}

/// Something that can be signalled: an eventfd of a client.
pub trait EventSink: Send + Sync {
    /// Adds one to its counter.
    fn signal(&self);
}

impl Slot {
    pub(super) fn new(spec: &CardSpec) -> Self {
        Self {
            card: Card::new(&Build::of(spec)),
            ports: spec.ports.iter().map(|_| PortState::default()).collect(),
            spec: spec.clone(),
            link: Link::Up,
            bound: None,
            manager: ManagerState::NEW,
            error_event: None,
            error_pending: false,
            denied: BTreeMap::new(),
            revision: 0,
        }
    }

    /// Grows with every change of state that attributes or nodes show.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision + self.card.revision()
    }

    pub(super) fn touch(&mut self) {
        self.revision += 1;
    }

    /// Makes an attribute answer an error, or its value again. `path` is from the root of the tree, links resolved.
    pub fn deny(&mut self, path: &str, error: Option<Errno>) {
        self.touch();
        match error {
            Some(e) => self.denied.insert(path.to_owned(), e),
            None => self.denied.remove(path),
        };
    }

    /// How many virtual functions the card can have: one for each port, if its product has any.
    #[must_use]
    pub fn total_vfs(&self) -> usize {
        if self.spec.ids.vf_device == 0 { 0 } else { self.ports.len() }
    }

    pub(crate) fn is_opae(&self) -> bool {
        self.spec.driver == Driver::Opae
    }

    pub(super) fn probe(&mut self, numbers: &mut Numbers) {
        if self.bound.is_some() || self.link != Link::Up {
            return;
        }
        self.touch();
        self.bound =
            Some(numbers.bind(self.is_opae(), self.ports.len(), self.spec.interface_id.is_some()));
        self.manager = ManagerState::NEW;
        for port in 0..self.ports.len() {
            self.ports[port] = PortState::default();
            self.reset_port(port);
        }
    }

    /// Everything that the driver knew is forgotten; mapped memory and events are let go.
    pub(super) fn unbind(&mut self, numbers: &mut Numbers) {
        self.touch();
        if let Some(bound) = self.bound.take() {
            // Virtual functions end with the driver: their ports are the physical function's again.
            bound.vfs.iter().for_each(|vf| self.set_access(vf.port, false));
            numbers.unbind(self.spec.driver == Driver::Opae, &bound);
        }
        (self.error_event, self.error_pending) = (None, false);
        self.ports.iter_mut().for_each(|p| *p = PortState::default());
    }

    pub(super) fn set_vfs(&mut self, count: usize, numbers: &mut Numbers) -> nix::Result<()> {
        let (opae, pf) = (self.is_opae(), self.spec.pci);
        let released: Vec<usize> =
            (0..self.ports.len()).filter(|p| self.ports[*p].released).collect();
        if count == self.bound.as_ref().map_or(0, |b| b.vfs.len()) {
            return Ok(());
        }
        let bound = self.bound.as_mut().ok_or(Errno::ENOENT)?;
        if count != 0 && !bound.vfs.is_empty() {
            return Err(Errno::EBUSY);
        }
        if count != 0 && count != released.len() {
            return Err(Errno::EINVAL);
        }
        let old = std::mem::take(&mut bound.vfs);
        old.iter().for_each(|vf| numbers.unbind_vf(opae, vf));
        for (n, port) in (1u8..).zip(released.iter().take(count)) {
            let address = pf.offset(n).ok_or(Errno::ENOMEM)?;
            bound.vfs.push(numbers.bind_vf(opae, address, *port));
        }
        for port in released {
            self.set_access(port, count != 0);
            self.reset_port(port);
        }
        self.touch();
        Ok(())
    }

    /// Port offset register: 1 for access through a virtual function.
    fn set_access(&mut self, port: usize, vf: bool) {
        let register = FME_PORT_OFST + 8 * port as u64;
        let value = self.card.fme_read(register) & !PORT_OFST_VF;
        self.card.fme_write(register, if vf { value | PORT_OFST_VF } else { value });
    }

    /// The virtual function that a port is on.
    #[must_use]
    pub fn vf(&self, port: usize) -> Option<&Vf> {
        self.bound.as_ref()?.vfs.iter().find(|vf| vf.port == port)
    }

    /// Lets the function behind a port work for a moment.
    pub(crate) fn work(&mut self, port: usize) -> crate::card::afu::Activity {
        match self.ports.get(port) {
            Some(state) if self.link == Link::Up => self.card.step(port, &state.dma),
            _ => crate::card::afu::Activity::Idle,
        }
    }

    /// Drops memory of processes that ended. True when nothing is mapped.
    pub(crate) fn reap(&mut self, port: usize) -> bool {
        let Some(state) = self.ports.get_mut(port) else { return true };
        state.dma.drop_dead();
        state.dma.is_empty()
    }

    /// Signals the eventfds of the interrupts that the card raised.
    pub(super) fn deliver_interrupts(&mut self) {
        for interrupt in self.card.take_interrupts() {
            match interrupt {
                Interrupt::FmeError => self.error_pending = true,
                Interrupt::PortError(n) => {
                    if let Some(port) = self.ports.get_mut(n) {
                        port.error_pending = true;
                    }
                }
            }
        }
        send(&mut self.error_pending, self.error_event.as_ref());
        for port in &mut self.ports {
            send(&mut port.error_pending, port.events[0].as_ref());
        }
    }
}

/// Sends an interrupt that waits, if there is somebody to get it.
fn send(pending: &mut bool, sink: Option<&Arc<dyn EventSink>>) {
    if let Some(sink) = sink.filter(|_| *pending) {
        sink.signal();
        *pending = false;
    }
}

impl ManagerState {
    /// After probing.
    pub const NEW: Self = Self { state: "unknown", error: 0 };
}
