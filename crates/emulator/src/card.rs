//! The card at register level: what the PCI function's memory holds and how it answers.
//!
//! This model knows neither files nor system calls: 64-bit reads and writes at offsets go in, DMA goes
//! out through [`dma::Dma`], and [`Card::revision`] and [`Card::take_interrupts`] tell what changed.
//! Register layout and behaviour follow `drivers/fpga/dfl*.{c,h}` of Linux 6.1, which drives it.

pub mod afu;
pub mod clock;
pub mod dma;
pub mod fme;
pub mod mmio;
pub mod port;
pub mod pr;
pub mod regs;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use clock::Generator;
pub use fme::Fme;
pub use port::Port;

use crate::id::Guid;
use crate::machine::CardSpec;

/// What a card is built with.
#[derive(Debug, Clone)]
pub struct Build {
    /// Functions that the ports hold at power-up; one port each.
    pub functions: Vec<Guid>,
    /// Interface id; `None` leaves the reconfiguration feature out.
    pub interface_id: Option<Guid>,
    /// CPU socket, 0 or 1.
    pub socket_id: u8,
    /// `BITSTREAM_ID` and `BITSTREAM_MD` of the header.
    pub static_region: (u64, u64),
    /// What generates the ports' user clocks.
    pub clock: Generator,
    /// Time that the reconfiguration engine works after the last word.
    pub pr_time: Duration,
}

impl Build {
    /// The card of a machine description.
    #[must_use]
    pub fn of(spec: &CardSpec) -> Self {
        Self {
            functions: spec.ports.iter().map(|p| p.afu_id).collect(),
            interface_id: spec.interface_id,
            socket_id: spec.socket_id,
            static_region: spec.kind.static_region(),
            clock: spec.kind.clock(),
            pr_time: spec.pr_time,
        }
    }
}

/// A reason to interrupt the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interrupt {
    /// The FME's global error feature.
    FmeError,
    /// A port's error feature.
    PortError(usize),
}

/// One card: a management engine and its ports.
pub struct Card {
    /// The management engine, BAR 0.
    pub fme: Fme,
    /// The ports, BAR 2 at a stride of [`regs::PORT_SPAN`].
    pub ports: Vec<Port>,
    interrupts: Vec<Interrupt>,
    revision: u64,
}

impl Card {
    /// A card as it is after power-up: every port in reset, no error.
    #[must_use]
    pub fn new(build: &Build) -> Self {
        let count = build.functions.len();
        let port = |(n, id): (usize, &Guid)| Port::new(n, count, *id, build.clock);
        let ports = build.functions.iter().enumerate().map(port).collect();
        Self { fme: Fme::new(build), ports, interrupts: Vec::new(), revision: 0 }
    }

    /// Power off and on: all is as [`Card::new`] makes it, but the functions that are loaded stay, as from flash
    /// memory, and so do the places where clients see their registers.
    pub fn power_cycle(&mut self, build: &Build) {
        let functions = self.ports.iter().map(Port::function).collect();
        let fresh = Self::new(&Build { functions, ..build.clone() });
        let old = std::mem::replace(self, fresh);
        self.revision = old.revision + 1;
        for (port, before) in self.ports.iter_mut().zip(&old.ports) {
            port.share(Arc::clone(before.mmio()));
        }
    }

    /// The bus's reset, as when the host starts again: the ports are the physical function's and in reset, the
    /// reconfiguration engine is idle. Latched errors and what sensors measure stay.
    pub fn bus_reset(&mut self) {
        for n in 0..self.ports.len() as u64 {
            let access = regs::FME_PORT_OFST + 8 * n;
            let value = self.fme.peek(access) & !regs::PORT_OFST_VF;
            self.fme_write(access, value);
            let control = regs::PORT_SFTRST;
            self.port_write(n * regs::PORT_SPAN + regs::PORT_CTRL, control);
        }
        self.fme_write(regs::PR_CTRL, regs::PR_RST);
        self.fme_write(regs::PR_CTRL, 0);
    }

    /// True when the port is reached through a virtual function.
    #[must_use]
    pub fn is_virtual(&self, port: usize) -> bool {
        self.fme.peek(regs::FME_PORT_OFST + 8 * port as u64) & regs::PORT_OFST_VF != 0
    }

    /// Reads a register of the management engine.
    pub fn fme_read(&mut self, offset: u64) -> u64 {
        self.finish_pr(Instant::now());
        self.fme.read(offset)
    }

    /// Writes a register of the management engine.
    pub fn fme_write(&mut self, offset: u64, value: u64) {
        self.revision += 1;
        if self.fme.write(offset, value) {
            self.interrupts.push(Interrupt::FmeError);
        }
    }

    /// What as many writes to the reconfiguration data register do, one for each 32-bit word of `data`.
    pub fn push_pr_data(&mut self, data: &[u8]) {
        if let Some(engine) = &mut self.fme.pr {
            engine.push(data);
        }
    }

    /// Reads a register in the BAR of the ports; all ones where no port is.
    pub fn port_read(&mut self, offset: u64) -> u64 {
        match self.port_at(offset) {
            Some(port) => port.read(offset % regs::PORT_SPAN),
            None => u64::MAX,
        }
    }

    /// Writes a register in the BAR of the ports.
    pub fn port_write(&mut self, offset: u64, value: u64) {
        self.revision += 1;
        if let Some(port) = self.port_at(offset) {
            port.write(offset % regs::PORT_SPAN, value);
        }
    }

    fn port_at(&mut self, offset: u64) -> Option<&mut Port> {
        self.ports.get_mut(usize::try_from(offset / regs::PORT_SPAN).ok()?)
    }

    /// Latches port errors, as the hardware does when it detects them.
    pub fn raise_port_error(&mut self, port: usize, bits: u64) {
        if let Some(p) = self.ports.get_mut(port) {
            p.raise(bits);
            self.interrupts.push(Interrupt::PortError(port));
            self.revision += 1;
        }
    }

    /// Latches management engine errors.
    pub fn raise_fme_error(&mut self, bits: u64) {
        self.fme.raise(bits);
        self.interrupts.push(Interrupt::FmeError);
        self.revision += 1;
    }

    /// Sets the temperature sensor, in degrees Celsius (7 bits).
    pub fn set_temperature(&mut self, celsius: u8) {
        self.fme.set_temperature(celsius);
        self.revision += 1;
    }

    /// Sets a port's power state: 0 normal, 1 and 2 throttled, 6 off.
    pub fn set_power_state(&mut self, port: usize, state: u8) {
        if let Some(p) = self.ports.get_mut(port) {
            p.set_power_state(state);
            self.revision += 1;
        }
    }

    /// Loads a function without reconfiguration, as a reset from flash memory would.
    pub fn set_function(&mut self, port: usize, id: Guid) {
        if let Some(p) = self.ports.get_mut(port) {
            p.load(id);
            self.revision += 1;
        }
    }

    /// Lets a port's function work for a moment on what software wrote into its registers.
    pub fn step(&mut self, port: usize, memory: &dyn dma::Dma) -> afu::Activity {
        let Some(p) = self.ports.get_mut(port) else { return afu::Activity::Idle };
        let activity = p.step(memory);
        if activity == afu::Activity::Failed {
            self.raise_port_error(port, regs::PORT_ERROR_PAGE_FAULT);
        }
        activity
    }

    /// When the reconfiguration engine will be done, if it works.
    #[must_use]
    pub fn pr_done_at(&self) -> Option<Instant> {
        self.fme.pr.as_ref()?.done_at()
    }

    /// Ends a reconfiguration whose time has come.
    fn finish_pr(&mut self, now: Instant) {
        let Some(engine) = &mut self.fme.pr else { return };
        if engine.done_at().is_none_or(|at| now < at) {
            return;
        }
        let target = engine.target();
        let frozen = self.ports.get(target).is_some_and(Port::in_reset);
        if let Some(id) = engine.finish(frozen) {
            self.ports[target].load(id);
        }
        self.revision += 1;
    }

    /// Grows with every change that software could see.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The interrupts raised since the last call.
    pub fn take_interrupts(&mut self) -> Vec<Interrupt> {
        std::mem::take(&mut self.interrupts)
    }
}

#[cfg(test)]
mod tests;
