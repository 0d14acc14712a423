//! All cards of a machine under one guest: their sockets, the threads behind them, and control.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::board::{Board, Unit};
use super::function::Function;
use super::place::{self, Place};
use super::window::{self, Window};
use super::{control, worker};
use crate::ctl::socket;
use crate::id::PciAddress;
use crate::machine;

/// PCI functions that a guest takes (`MAX_DEVICES` in the kernel's `arch/um/drivers/virt-pci.c`).
const FUNCTIONS: usize = 8;
/// Interrupt vectors that a guest has for all its functions (`MAX_MSI_VECTORS` there).
const VECTORS: u64 = 32;
/// The virtio device id that the guest's kernel is configured with.
const DEVICE_ID: u32 = 1234;

/// Loops of a delay in a tick. A guest gives up a read after 40,000 delays of a microsecond, and what it measures on a
/// busy machine makes that a few milliseconds; with this it is at least some tenths of a second.
const DELAY: &str = "lpj=120000000";

/// What to serve, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The machine. Which driver takes a card is the guest's matter.
    pub machine: machine::Machine,
    /// Directory for the functions' sockets; made if it is not there.
    pub sockets: PathBuf,
    /// File behind the registers that user space maps; made if it is not there.
    pub mmio: PathBuf,
    /// Control socket.
    pub control: PathBuf,
    /// The cards are at the addresses of their description, in a guest whose kernel has the lab's patch for that. Any
    /// other kernel has them on bus 0, one after the other.
    pub addresses: bool,
}

/// Why a machine is not served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file, directory or socket.
    #[error("{path}: {reason}")]
    Path {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A path that cannot be on a kernel's command line.
    #[error("{0:?}: a kernel argument has no space, comma or colon in a path")]
    Name(PathBuf),
    /// More than a guest takes.
    #[error("machine {name:?} has {count} {what}: a guest takes {limit}")]
    TooMany {
        /// The machine.
        name: String,
        /// How many.
        count: u64,
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: u64,
    },
    /// An address that a card cannot have in a guest.
    #[error("card {card:?}: {address}: {reason}")]
    Address {
        /// The card.
        card: String,
        /// Its address.
        address: PciAddress,
        /// What is wrong with it.
        reason: String,
    },
    /// A system call.
    #[error("eventfd: {0}")]
    Event(nix::errno::Errno),
}

/// A running machine. Its threads end with the process; dropping it removes the sockets.
pub struct Server {
    machine: Arc<Machine>,
    /// Sockets of the functions, in the order of the guest's slots, with the numbers of their devices.
    functions: Vec<(PathBuf, Option<u32>)>,
    mmio: PathBuf,
    control: PathBuf,
}

/// The cards.
pub(super) struct Machine {
    pub(super) sockets: PathBuf,
    pub(super) slots: Vec<Slot>,
}

/// A card with its functions.
pub(super) struct Slot {
    pub(super) board: Arc<Board>,
    functions: Vec<Arc<Function>>,
}

impl Machine {
    /// A card by its name, PCI address or number.
    pub(super) fn find(&self, name: &str) -> Option<&Slot> {
        self.slots.get(machine::find(self.slots.iter().map(|s| &s.board.spec), name)?)
    }
}

impl Slot {
    /// Pulls the card out: its connections end, and the guest takes that for its end.
    pub(super) fn remove(&self) {
        self.board.remove();
        self.functions.iter().for_each(|f| f.cut());
    }
}

impl Server {
    /// Starts serving; when this returns, all sockets accept.
    ///
    /// A card of which a port is to be on a virtual function gets a virtual function for each of its ports; the guest
    /// decides which of them exist. They are on the device numbers after the physical one, on the same bus.
    ///
    /// # Errors
    /// [`Error`] with the path, the limit or the address.
    pub fn start(options: &Options) -> Result<Self, Error> {
        check(&options.machine)?;
        let places = place::places(&options.machine, options.addresses)?;
        std::fs::create_dir_all(&options.sockets).map_err(failed(&options.sockets))?;
        let sockets = options.sockets.canonicalize().map_err(failed(&options.sockets))?;
        let window = Arc::new(Window::open(&options.mmio).map_err(failed(&options.mmio))?);
        let mmio = options.mmio.canonicalize().map_err(failed(&options.mmio))?;
        for path in [&sockets, &mmio] {
            if path.to_string_lossy().contains([' ', ',', ':', '\t', '\n', '"']) {
                return Err(Error::Name(path.clone()));
            }
        }
        let (mut slots, mut listeners, mut paths) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (spec, place)) in options.machine.cards.iter().zip(places).enumerate() {
            let Place { slot, devices } = place;
            let count = slot.virtual_functions;
            let board =
                Board::new(spec.clone(), slot, Arc::clone(&window)).map_err(Error::Event)?;
            let board = Arc::new(board);
            let units = std::iter::once(Unit::Physical).chain((0..count.into()).map(Unit::Virtual));
            let mut functions = Vec::new();
            for (unit, device) in units.zip(devices) {
                let path = sockets.join(match unit {
                    Unit::Physical => format!("{index}.sock"),
                    Unit::Virtual(n) => format!("{index}.{n}.sock"),
                });
                listeners.push(bind(&path)?);
                functions.push(Arc::new(Function::new(Arc::clone(&board), unit)));
                paths.push((path, device));
            }
            slots.push(Slot { board, functions });
        }
        let listener = bind(&options.control)?;
        let machine = Arc::new(Machine { sockets, slots });
        let functions = machine.slots.iter().flat_map(|s| &s.functions);
        for (function, listener) in functions.zip(listeners) {
            let function = Arc::clone(function);
            std::thread::spawn(move || function.serve(&listener));
        }
        for slot in &machine.slots {
            let board = Arc::downgrade(&slot.board);
            std::thread::spawn(move || worker::run(&board));
        }
        let for_control = Arc::clone(&machine);
        std::thread::spawn(move || accept(&for_control, &listener));
        Ok(Self { machine, functions: paths, mmio, control: options.control.clone() })
    }

    /// What the guest's kernel needs on its command line.
    #[must_use]
    pub fn kernel_arguments(&self) -> Vec<String> {
        let memory = [
            window::GUEST_MEMORY.to_owned(),
            DELAY.to_owned(),
            format!("iomem=fpga,{}", self.mmio.display()),
        ];
        let devices = self.functions.iter().map(|(socket, device)| {
            let number = device.map(|n| format!(":{n}")).unwrap_or_default();
            format!("virtio_uml.device={}:{DEVICE_ID}{number}", socket.display())
        });
        memory.into_iter().chain(devices).collect()
    }

    /// The control socket.
    #[must_use]
    pub fn control(&self) -> &Path {
        &self.control
    }

    /// Names of the cards.
    pub fn cards(&self) -> impl Iterator<Item = &str> {
        self.machine.slots.iter().map(|s| s.board.spec.name.as_str())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let sockets = self.functions.iter().map(|(socket, _)| socket);
        for path in sockets.chain([&self.control]) {
            if let Err(e) = std::fs::remove_file(path) {
                eprintln!("fpga-emulator: {}: {e}", path.display());
            }
        }
    }
}

pub(super) fn virtual_functions(spec: &machine::CardSpec) -> u16 {
    if spec.ports.iter().any(|p| p.vf) { u16::try_from(spec.ports.len()).unwrap_or(0) } else { 0 }
}

fn check(machine: &machine::Machine) -> Result<(), Error> {
    let functions = machine.cards.iter().map(|c| 1 + u64::from(virtual_functions(c))).sum();
    let vectors = machine.cards.iter().map(|c| crate::card::regs::vectors(c.ports.len())).sum();
    let limits = [(functions, "PCI functions", FUNCTIONS as u64), (vectors, "interrupts", VECTORS)];
    for (count, what, limit) in limits {
        if count > limit {
            return Err(Error::TooMany { name: machine.name.clone(), count, what, limit });
        }
    }
    Ok(())
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_owned();
    move |reason| Error::Path { path: path.clone(), reason }
}

fn bind(path: &Path) -> Result<UnixListener, Error> {
    socket::bind(path).map_err(failed(path))
}

fn accept(machine: &Arc<Machine>, listener: &UnixListener) {
    for stream in listener.incoming().flatten() {
        let machine = Arc::clone(machine);
        std::thread::spawn(move || control::serve(&machine, &stream));
    }
}
