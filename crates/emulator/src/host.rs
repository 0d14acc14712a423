//! The kernel's part: what the two FPGA drivers do with the cards of a machine.
//!
//! Probing gives numbers to devices, the state that the drivers keep beside the registers (how often a port was
//! disabled, which memory is mapped, which ports were released) is here, and [`ioctl`] and [`store`] are the
//! system calls on device nodes and attributes. Facts are from `drivers/fpga` of Linux 6.1; where the
//! out-of-tree driver differs, its branch says so.

pub mod bus;
pub mod dma;
pub mod ioctl;
pub mod numbers;
mod port;
mod pr;
pub mod slot;
pub mod store;
pub mod uapi;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use bus::{BusFile, Target};
pub use numbers::{Bound, Numbers, Vf};
pub use slot::{EventSink, Link, ManagerState, PortState, Slot};

use crate::card::Build;
use crate::machine::Machine;

/// How long the drivers wait for the reconfiguration engine (`PR_WAIT_TIMEOUT` in `dfl-fme-mgr.c`).
pub const PR_TIMEOUT: Duration = Duration::from_secs(8);

/// All cards of a machine, with their drivers' state.
pub struct Host {
    /// One slot a card, in the machine's order.
    pub slots: Vec<Slot>,
    numbers: Numbers,
}

/// A device node: the management node of a card or a port's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Index of the card.
    pub slot: usize,
    /// Which of its nodes.
    pub unit: Unit,
}

/// Which node of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// The management engine.
    Fme,
    /// A port, by its number on the card.
    Port(usize),
}

impl Host {
    /// A machine right after its drivers probed the cards.
    #[must_use]
    pub fn new(machine: &Machine) -> Self {
        let slots = machine.cards.iter().map(Slot::new).collect();
        let mut host = Self { slots, numbers: Numbers::new(machine.first_auto_id) };
        for index in 0..host.slots.len() {
            host.probe(index);
            host.enable_configured_vfs(index);
        }
        host
    }

    /// Index of the card called `name`, by its name, number or PCI address.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        crate::machine::find(self.slots.iter().map(|s| &s.spec), name)
    }

    /// Binds the card's driver.
    fn probe(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.probe(&mut self.numbers);
    }

    /// Pulls the card out: no attribute, no node, no answer.
    pub fn remove(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.unbind(&mut self.numbers);
            slot.link = Link::Gone;
        }
    }

    /// Puts the card in and lets the kernel find it. One that was out comes up as after power-on, with the functions
    /// it had.
    pub fn insert(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        match slot.link {
            Link::Up => return,
            Link::Removed => {}
            Link::Gone => slot.card.power_cycle(&Build::of(&slot.spec)),
        }
        slot.link = Link::Up;
        self.probe(index);
    }

    /// Writes to `sriov_numvfs` of a card.
    ///
    /// # Errors
    /// As the kernel: `ENOENT` without a driver, `EBUSY` while another number is enabled, `EINVAL` unless it equals the
    /// number of released ports.
    pub fn set_vfs(&mut self, index: usize, count: usize) -> nix::Result<()> {
        let Some(slot) = self.slots.get_mut(index) else { return Err(nix::errno::Errno::ENODEV) };
        slot.set_vfs(count, &mut self.numbers)
    }

    fn enable_configured_vfs(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let ports: Vec<usize> =
            (0..slot.spec.ports.len()).filter(|p| slot.spec.ports[*p].vf).collect();
        for port in &ports {
            // A port that was just probed is neither released nor in use.
            let released = slot.release(*port);
            debug_assert!(released.is_ok());
        }
        if !ports.is_empty() {
            let enabled = slot.set_vfs(ports.len(), &mut self.numbers);
            debug_assert!(enabled.is_ok());
        }
    }
}

/// A running machine: its state behind a lock, and the locks that reconfigurations take.
pub struct Kernel {
    host: Mutex<Host>,
    /// One reconfiguration at a time on a card, as the management device's mutex has it.
    programming: Vec<Mutex<()>>,
    observer: Box<dyn Observer>,
    /// How long a reconfiguration may take.
    pub pr_timeout: Duration,
}

/// Who shows the machine's state to the outside.
pub trait Observer: Send + Sync {
    /// Something changed that attributes or nodes show. Called without the machine's lock, and before the system
    /// call that changed it returns.
    fn changed(&self, kernel: &Kernel);

    /// True when some process has the node open.
    fn is_open(&self, node: Node) -> bool;

    /// A port got memory for DMA: its function may have work from now on.
    fn mapped(&self, kernel: &Kernel, node: Node);
}

/// For a machine that nobody watches.
impl Observer for () {
    fn changed(&self, _: &Kernel) {}

    fn is_open(&self, _: Node) -> bool {
        false
    }

    fn mapped(&self, _: &Kernel, _: Node) {}
}

impl Kernel {
    /// Runs the machine.
    #[must_use]
    pub fn new(host: Host, observer: Box<dyn Observer>) -> Self {
        let programming = host.slots.iter().map(|_| Mutex::new(())).collect();
        Self { host: Mutex::new(host), programming, observer, pr_timeout: PR_TIMEOUT }
    }

    /// The machine's state. A panic elsewhere does not take the machine down.
    pub fn host(&self) -> MutexGuard<'_, Host> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and tells the observer.
    pub fn update<T>(&self, change: impl FnOnce(&mut Host) -> T) -> T {
        let result = {
            let mut host = self.host();
            let result = change(&mut host);
            host.slots.iter_mut().for_each(Slot::deliver_interrupts);
            result
        };
        self.observer.changed(self);
        result
    }

    /// Somebody closed a node, or ended. When nobody has it open any more, the driver forgets what it keeps for those
    /// who had (`afu_release`, `fme_release`).
    pub fn closed(&self, node: Node) {
        let keeps = self.host().slots.get(node.slot).is_some_and(|s| s.keeps_something(node.unit));
        if keeps && !self.observer.is_open(node) {
            self.update(|host| {
                if let Some(slot) = host.slots.get_mut(node.slot) {
                    slot.last_close(node.unit);
                }
            });
        }
    }

    fn programming(&self, slot: usize) -> Option<MutexGuard<'_, ()>> {
        Some(self.programming.get(slot)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
