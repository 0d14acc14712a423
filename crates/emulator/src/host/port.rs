//! What the drivers do to a port: reset, disable and enable, release and assign.

use nix::errno::Errno;

use super::Unit;
use super::slot::Slot;
use crate::card::regs::*;

/// Where functions have the registers that a reset clears; in a port that was reset they are all 0.
const FUNCTION_REGISTERS: std::ops::Range<u64> = 0x80..0x180;

impl Slot {
    fn port_register(port: usize, offset: u64) -> u64 {
        port as u64 * PORT_SPAN + offset
    }

    /// Reads a port's register.
    pub(super) fn port_read(&mut self, port: usize, offset: u64) -> u64 {
        self.card.port_read(Self::port_register(port, offset))
    }

    /// Writes a port's register.
    pub(super) fn port_write(&mut self, port: usize, offset: u64, value: u64) {
        self.card.port_write(Self::port_register(port, offset), value);
    }

    /// Holds the port in reset (`__afu_port_disable`). Nested: only the first one reaches the hardware.
    pub(super) fn disable_port(&mut self, port: usize) {
        let Some(state) = self.ports.get_mut(port) else { return };
        state.disabled += 1;
        if state.disabled == 1 {
            let control = self.port_read(port, PORT_CTRL);
            self.port_write(port, PORT_CTRL, control | PORT_SFTRST);
        }
        self.touch();
    }

    /// The opposite (`__afu_port_enable`).
    pub(super) fn enable_port(&mut self, port: usize) {
        let Some(state) = self.ports.get_mut(port) else { return };
        state.disabled = state.disabled.saturating_sub(1);
        if state.disabled == 0 {
            let control = self.port_read(port, PORT_CTRL);
            self.port_write(port, PORT_CTRL, control & !PORT_SFTRST);
        }
        self.touch();
    }

    /// Resets the port and its function. A port that is disabled stays so.
    pub(super) fn reset_port(&mut self, port: usize) {
        self.disable_port(port);
        self.enable_port(port);
    }

    /// True when the last one who closes the node leaves something to put away.
    pub(super) fn keeps_something(&self, unit: Unit) -> bool {
        match unit {
            Unit::Fme => self.error_event.is_some(),
            Unit::Port(port) => self.ports.get(port).is_some_and(|state| {
                let registers = self.card.ports[port].mmio();
                !state.dma.is_empty()
                    || state.events.iter().any(Option::is_some)
                    || FUNCTION_REGISTERS.step_by(8).any(|offset| registers.get(offset) != 0)
            }),
        }
    }

    /// Nobody has the node open any more: no eventfd, no mapped memory, and the function starts anew.
    pub(super) fn last_close(&mut self, unit: Unit) {
        match unit {
            Unit::Fme => self.error_event = None,
            Unit::Port(port) => {
                let Some(state) = self.ports.get_mut(port) else { return };
                state.events = Default::default();
                state.dma = super::dma::DmaSpace::default();
                self.reset_port(port);
            }
        }
    }

    /// Takes the port from the physical function (`dfl_fpga_cdev_release_port`).
    pub(super) fn release(&mut self, port: usize) -> nix::Result<()> {
        let state = self.ports.get_mut(port).ok_or(Errno::ENODEV)?;
        if state.released || !state.dma.is_empty() {
            return Err(Errno::EBUSY);
        }
        state.released = true;
        self.touch();
        Ok(())
    }

    /// Gives it back. It is registered again but no driver binds to it, and whether a virtual function has it is not
    /// looked at: so Linux 6.1 does.
    pub(super) fn assign(&mut self, port: usize) -> nix::Result<()> {
        let opae = self.is_opae();
        if opae && self.vf(port).is_some() {
            return Err(Errno::EBUSY);
        }
        let state = self.ports.get_mut(port).ok_or(Errno::ENODEV)?;
        if !state.released {
            return Err(Errno::EBUSY);
        }
        state.released = false;
        state.driverless = !opae;
        self.touch();
        Ok(())
    }
}
