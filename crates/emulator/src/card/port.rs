//! A port: header, errors, user interrupts, and the function behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::afu::{Activity, Afu, Fault};
use super::clock::{Clock, Generator};
use super::dma::Dma;
use super::mmio::{Heap, Mmio};
use super::regs::*;
use crate::id::Guid;

/// Registers of a port, and its accelerator function.
pub struct Port {
    plain: BTreeMap<u64, u64>,
    mmio: Arc<dyn Mmio>,
    function: Guid,
    afu: Afu,
    /// What generates its user clock.
    pub clock: Clock,
    /// A fault that the function is to show.
    pub fault: Fault,
}

impl Port {
    /// Port `number` of `ports` on a card.
    pub(super) fn new(number: usize, ports: usize, function: Guid, clock: Generator) -> Self {
        let clock = Clock::new(clock);
        // The drivers look at the revision for whether the port has the clock's registers.
        let revision = u64::from(!clock.has_registers());
        let feature = |id, revision, next| Dfh { kind: DFH_PRIVATE, id, revision, next }.value();
        let plain = BTreeMap::from([
            (0, Dfh { kind: DFH_FIU, id: 1, revision, next: 0x1000 }.value()),
            (GUID_L, PORT_GUID.1),
            (GUID_H, PORT_GUID.0),
            (NEXT_AFU, AFU_OFFSET),
            (PORT_CAP, number as u64 | (AFU_SIZE >> 10) << 8 | (USER_INTERRUPTS as u64) << 32),
            (PORT_CTRL, PORT_SFTRST | PORT_SFTRST_ACK),
            (PORT_ERR, feature(0x10, 1, 0x1000)),
            (PORT_ERR_CAP, 1 | vector_port_error(number) << 1),
            (PORT_UINT, feature(0x12, 0, 0)),
            (PORT_UINT_CAP, USER_INTERRUPTS as u64 | vector_user(ports) << 12),
        ]);
        Self {
            plain,
            mmio: Arc::new(Heap::default()),
            function,
            afu: Afu::new(function),
            clock,
            fault: Fault::None,
        }
    }

    /// Puts the function's registers where software maps them.
    pub fn share(&mut self, mmio: Arc<dyn Mmio>) {
        self.mmio = mmio;
        self.load(self.function);
    }

    /// The function's registers.
    #[must_use]
    pub fn mmio(&self) -> &Arc<dyn Mmio> {
        &self.mmio
    }

    /// The function that is loaded.
    #[must_use]
    pub fn function(&self) -> Guid {
        self.function
    }

    /// True when the function may act on what software writes into its registers, so that somebody must look at them.
    #[must_use]
    pub fn may_work(&self) -> bool {
        !self.in_reset() && self.fault != Fault::Hang && self.afu.acts()
    }

    /// Replaces the function: its header appears, its registers start from zero.
    pub(super) fn load(&mut self, id: Guid) {
        self.function = id;
        self.afu = Afu::new(id);
        self.afu.power_up(&*self.mmio);
        self.mmio.set(0, Dfh { kind: DFH_AFU, id: 0, revision: 0, next: 0 }.value());
        self.mmio.set(GUID_L, id.low);
        self.mmio.set(GUID_H, id.high);
        self.mmio.set(NEXT_AFU, 0);
    }

    /// True while the soft reset is held.
    #[must_use]
    pub fn in_reset(&self) -> bool {
        self.peek(PORT_CTRL) & PORT_SFTRST != 0
    }

    /// A register of the port itself.
    #[must_use]
    pub fn peek(&self, offset: u64) -> u64 {
        match offset {
            USRCLK_CMD0..=USRCLK_STS1 => self.clock.read(offset, self.fault == Fault::Clock),
            _ => self.plain.get(&offset).copied().unwrap_or(0),
        }
    }

    pub(super) fn read(&self, offset: u64) -> u64 {
        match offset.checked_sub(AFU_OFFSET) {
            // A function held in reset does not answer.
            Some(_) if self.in_reset() => u64::MAX,
            Some(o) => match o {
                GUID_L => self.function.low,
                GUID_H => self.function.high,
                o => self.mmio.get(o),
            },
            None => self.peek(offset),
        }
    }

    pub(super) fn write(&mut self, offset: u64, value: u64) {
        match offset {
            PORT_CTRL => {
                if value & PORT_SFTRST != 0 {
                    self.afu.reset(&*self.mmio);
                }
                let acknowledged = if value & PORT_SFTRST != 0 { PORT_SFTRST_ACK } else { 0 };
                self.plain.insert(offset, value & !PORT_SFTRST_ACK | acknowledged);
            }
            // Events and errors clear where ones are written.
            PORT_STS | PORT_ERROR | PORT_FIRST_ERROR => {
                *self.plain.entry(offset).or_insert(0) &= !value;
            }
            PORT_ERROR_MASK => {
                self.plain.insert(offset, value);
            }
            USRCLK_CMD0..=USRCLK_STS1 => self.clock.write(offset, value),
            o if o >= AFU_OFFSET => self.mmio.set(o - AFU_OFFSET, value),
            _ => {}
        }
    }

    pub(super) fn raise(&mut self, bits: u64) {
        let errors = self.plain.entry(PORT_ERROR).or_insert(0);
        if *errors == 0 {
            self.plain.insert(PORT_FIRST_ERROR, bits);
        }
        *self.plain.entry(PORT_ERROR).or_insert(0) |= bits;
    }

    /// Sets the power state (0 normal, 1, 2 throttled, 6 off) with the event that goes with it.
    pub(super) fn set_power_state(&mut self, state: u8) {
        let event = match state {
            1 => PORT_AP1,
            2 => PORT_AP2,
            _ => 0,
        };
        let status = self.peek(PORT_STS) & !(0xf << 8) | u64::from(state & 0xf) << 8 | event;
        self.plain.insert(PORT_STS, status);
    }

    pub(super) fn step(&mut self, memory: &dyn Dma) -> Activity {
        if self.in_reset() || self.fault == Fault::Hang {
            return Activity::Idle;
        }
        self.afu.step(&*self.mmio, memory, self.fault)
    }
}
