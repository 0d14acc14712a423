//! A card in a guest's bus: registers behind BARs, the physical function and the virtual ones, interrupts.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::config::{self, Config, Slot};
use super::memory::{Guest, Memory};
use super::message::Request;
use super::msix::{Message, Msix};
use super::window::{self, Window};
use crate::card::afu::Activity;
use crate::card::mmio::Heap;
use crate::card::regs::*;
use crate::card::{Build, Card, Interrupt};
use crate::machine::CardSpec;

/// Which function of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// The physical one: management engine and ports.
    Physical,
    /// A virtual one, from 0: one port.
    Virtual(usize),
}

/// What a card's functions did.
pub(super) enum Progress {
    /// At least one worked, or has more to do.
    Working,
    /// None has work yet.
    Watching,
    /// None may have any.
    Waited,
}

/// A card and its functions.
pub(super) struct Board {
    /// What it was built from.
    pub(super) spec: CardSpec,
    slot: Slot,
    window: Arc<Window>,
    state: Mutex<State>,
    /// Told when a function of the card may have got work.
    changed: Condvar,
    /// Readable when there are interrupts to send.
    interrupts: EventFd,
}

/// What changes.
pub(super) struct State {
    pub(super) card: Card,
    physical: Config,
    virtuals: Vec<Config>,
    msix: Msix,
    /// Memory of the guest that is connected to the physical function.
    memory: Option<Arc<Memory>>,
    /// Where each port's registers are mapped from, as a guest physical address.
    placed: Vec<Option<u64>>,
    /// On the bus.
    pub(super) present: bool,
}

impl Board {
    /// A card with its power on. Its virtual functions have sockets of their own.
    pub(super) fn new(spec: CardSpec, slot: Slot, window: Arc<Window>) -> nix::Result<Self> {
        let ports = spec.ports.len();
        let vectors = vector_count(ports);
        let state = State {
            card: Card::new(&Build::of(&spec)),
            physical: Config::physical(&spec.ids, ports as u64, vectors, slot),
            virtuals: vec![
                Config::virtual_function(&spec.ids);
                usize::from(slot.virtual_functions)
            ],
            msix: Msix::new(vectors),
            memory: None,
            placed: vec![None; ports],
            present: true,
        };
        Ok(Self {
            spec,
            slot,
            window,
            state: Mutex::new(state),
            changed: Condvar::new(),
            interrupts: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
        })
    }

    /// The card's state. A panic elsewhere does not take the card down.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Readable when [`Board::deliver`] has something to do.
    pub(super) fn interrupts(&self) -> &EventFd {
        &self.interrupts
    }

    /// Changes the card from outside of the bus.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut Card) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state.card);
        self.settle(&mut state);
        result
    }

    /// Pulls the card out: it answers nothing, and mapped registers read as ones.
    pub(super) fn remove(&self) {
        let mut state = self.state();
        state.present = false;
        self.forget_host(&mut state);
        for n in 0..state.placed.len() {
            self.place(&mut state, n, None);
        }
    }

    /// Puts it in, as after power-on with the functions that it had.
    pub(super) fn insert(&self) {
        let mut state = self.state();
        if !state.present {
            state.card.power_cycle(&Build::of(&self.spec));
            state.present = true;
        }
    }

    /// The front end of a function went away. With that of the physical one the bus is reset.
    pub(super) fn disconnect(&self, unit: Unit) {
        if unit == Unit::Physical {
            let mut state = self.state();
            self.forget_host(&mut state);
            state.card.bus_reset();
            self.settle(&mut state);
        }
    }

    /// The guest's memory is this one from now on.
    pub(super) fn attach(&self, unit: Unit, memory: Arc<Memory>) {
        if unit == Unit::Physical {
            self.state().memory = Some(memory);
            self.changed.notify_all();
        }
    }

    /// Configuration space and interrupts are as after a reset, and the guest's memory is out of reach.
    fn forget_host(&self, state: &mut State) {
        let ports = self.spec.ports.len();
        let vectors = vector_count(ports);
        state.memory = None;
        state.msix = Msix::new(vectors);
        state.physical = Config::physical(&self.spec.ids, ports as u64, vectors, self.slot);
        state.virtuals.fill(Config::virtual_function(&self.spec.ids));
    }

    /// Answers a request: the bytes that were read, in `out`, which is empty for a write.
    pub(super) fn request(&self, unit: Unit, request: Request<'_>, out: &mut Vec<u8>) {
        let mut state = self.state();
        if !state.present {
            return;
        }
        match request {
            Request::ConfigRead { offset, size } => {
                out.resize(size.min(8) as usize, 0xff);
                if let Some(config) = state.config(unit) {
                    config.read(offset, out);
                }
                return;
            }
            Request::ConfigWrite { offset, data } => {
                if let Some(config) = state.config(unit) {
                    config.write(offset, data);
                }
            }
            Request::Read { bar, offset, size } => {
                let size = size.min(self.bar_size(unit, bar).saturating_sub(offset));
                read(&mut state, unit, bar, offset, size, out);
            }
            Request::Write { bar, offset, data } => {
                let room = self.bar_size(unit, bar).saturating_sub(offset);
                let data = usize::try_from(room).ok().and_then(|r| data.get(..r)).unwrap_or(data);
                write(&mut state, unit, bar, offset, data);
            }
            Request::Fill { bar, offset, size, byte } => {
                let size = size.min(self.bar_size(unit, bar).saturating_sub(offset));
                (offset..offset + size).for_each(|at| write(&mut state, unit, bar, at, &[byte]));
            }
        }
        self.settle(&mut state);
    }

    fn bar_size(&self, unit: Unit, bar: u8) -> u64 {
        match (unit, bar) {
            (Unit::Physical, 0) => config::FME_BAR,
            (Unit::Physical, 2) => config::ports_bar(self.spec.ports.len() as u64),
            (Unit::Physical, 4) => config::MSIX_BAR,
            (Unit::Virtual(_), 0) => PORT_SPAN,
            _ => 0,
        }
    }

    /// What follows from a change: registers move with their BARs, interrupts become pending, work may be there.
    fn settle(&self, state: &mut State) {
        self.place_all(state);
        let ports = self.spec.ports.len();
        let raised = state.card.take_interrupts();
        for interrupt in &raised {
            state.msix.raise(match *interrupt {
                Interrupt::FmeError => VECTOR_FME_ERROR,
                Interrupt::PortError(n) if n < ports => vector_port_error(n),
                Interrupt::PortError(_) => continue,
            });
        }
        if state.msix.is_due() && state.physical.interrupts() {
            // Full means that it is readable, which is all that is wanted.
            let _full = self.interrupts.write(1);
        }
        if state.may_work() {
            self.changed.notify_all();
        }
    }

    fn place_all(&self, state: &mut State) {
        let (own, virtuals) = (state.physical.ports_at(), state.physical.virtual_ports_at());
        let mut function = 0;
        for port in 0..state.placed.len() {
            let (start, n) = if state.card.is_virtual(port) {
                function += 1;
                (virtuals, function - 1)
            } else {
                (own, port)
            };
            let at = start.and_then(|s| s.checked_add(n as u64 * PORT_SPAN + AFU_OFFSET));
            if at != state.placed[port] {
                self.place(state, port, at);
            }
        }
    }

    /// Puts a port's registers where the guest looks for them; what was there reads as ones.
    fn place(&self, state: &mut State, port: usize, at: Option<u64>) {
        state.placed[port] = at;
        let port = &mut state.card.ports[port];
        window::fill(&**port.mmio(), u64::MAX);
        match at.and_then(|a| self.window.registers(a)) {
            Some(registers) => {
                window::fill(&*registers, 0);
                port.share(registers);
            }
            None => port.share(Arc::new(Heap::default())),
        }
    }

    /// Sends interrupts until `send` has no room.
    pub(super) fn deliver(&self, send: impl FnMut(Message) -> bool) {
        let mut state = self.state();
        if state.physical.interrupts() {
            state.msix.deliver(send);
        }
    }

    /// Lets the functions work for a moment; waits up to `patience` until one may have work.
    pub(super) fn work(&self, patience: Duration) -> Progress {
        let mut state = self.state();
        if !state.may_work() {
            let waited = self.changed.wait_timeout(state, patience);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let memory = state.memory.clone().filter(|_| state.may_work());
        let Some(memory) = memory.map(Guest) else { return Progress::Waited };
        let ports = 0..state.placed.len();
        let activities: Vec<Activity> = ports.map(|port| state.card.step(port, &memory)).collect();
        if activities.contains(&Activity::Failed) {
            self.settle(&mut state);
        }
        if activities.contains(&Activity::Working) { Progress::Working } else { Progress::Watching }
    }
}

impl State {
    /// Configuration space of a function that exists.
    fn config(&mut self, unit: Unit) -> Option<&mut Config> {
        match unit {
            Unit::Physical => Some(&mut self.physical),
            Unit::Virtual(n) if n < self.physical.virtual_functions() => self.virtuals.get_mut(n),
            Unit::Virtual(_) => None,
        }
    }

    /// The port behind a virtual function: they share out the ports that were given to them, in order.
    fn virtual_port(&self, function: usize) -> Option<u64> {
        let mut ports = (0..self.placed.len()).filter(|p| self.card.is_virtual(*p));
        ports
            .nth(function)
            .filter(|_| function < self.physical.virtual_functions())
            .map(|p| p as u64)
    }

    /// True when a function may find work in its registers, which its user writes without a word.
    fn may_work(&self) -> bool {
        let ports = self.card.ports.iter().zip(&self.placed);
        self.present
            && self.memory.is_some()
            && self.physical.is_master()
            && ports.into_iter().any(|(port, at)| at.is_some() && port.may_work())
    }
}

fn vector_count(ports: usize) -> u16 {
    u16::try_from(vectors(ports)).unwrap_or(u16::MAX)
}

/// Features of a virtual function whose registers say how many interrupts there are: none, as it has no MSI-X.
const INTERRUPTS_OF: [u64; 2] = [PORT_ERR_CAP, PORT_UINT_CAP];

fn read64(state: &mut State, unit: Unit, bar: u8, offset: u64) -> u64 {
    match (unit, bar) {
        (Unit::Physical, 0) => state.card.fme_read(offset),
        (Unit::Physical, 2) => state.card.port_read(offset),
        (Unit::Physical, 4) => state.msix.read(offset),
        (Unit::Virtual(_), 0) if INTERRUPTS_OF.contains(&offset) => 0,
        (Unit::Virtual(n), 0) => match state.virtual_port(n) {
            Some(port) => state.card.port_read(port * PORT_SPAN + offset),
            None => u64::MAX,
        },
        _ => u64::MAX,
    }
}

fn write64(state: &mut State, unit: Unit, bar: u8, offset: u64, value: u64) {
    match (unit, bar) {
        (Unit::Physical, 0) => state.card.fme_write(offset, value),
        (Unit::Physical, 2) => state.card.port_write(offset, value),
        (Unit::Physical, 4) => state.msix.write(offset, value),
        (Unit::Virtual(n), 0) => {
            if let Some(port) = state.virtual_port(n) {
                state.card.port_write(port * PORT_SPAN + offset, value);
            }
        }
        _ => {}
    }
}

/// Reads bytes, by registers of eight.
fn read(state: &mut State, unit: Unit, bar: u8, offset: u64, size: u64, out: &mut Vec<u8>) {
    let (mut at, end) = (offset, offset + size);
    while at < end {
        let word = read64(state, unit, bar, at & !7).to_le_bytes();
        let (from, count) = ((at & 7) as usize, (end - at).min(8 - (at & 7)));
        out.extend(word.iter().skip(from).take((count & 0xf) as usize));
        at += count;
    }
}

/// Writes bytes. A register that is written in part keeps the rest.
fn write(state: &mut State, unit: Unit, bar: u8, offset: u64, mut data: &[u8]) {
    let mut at = offset;
    while !data.is_empty() {
        let (register, from) = (at & !7, (at & 7) as usize);
        let (now, later) = data.split_at(data.len().min(8 - from));
        let mut word = [0; 8];
        if now.len() < 8 {
            word = read64(state, unit, bar, register).to_le_bytes();
        }
        word[from..from + now.len()].copy_from_slice(now);
        write64(state, unit, bar, register, u64::from_le_bytes(word));
        (at, data) = (at + now.len() as u64, later);
    }
}
