//! All cards of a machine under one guest: their sockets, the threads behind them, and control.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::board::{Board, Unit};
use super::function::Function;
use super::window::{self, Window};
use super::{config, control, worker};
use crate::ctl::socket;
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
    /// A system call.
    #[error("eventfd: {0}")]
    Event(nix::errno::Errno),
}

/// A running machine. Its threads end with the process; dropping it removes the sockets.
pub struct Server {
    machine: Arc<Machine>,
    /// Sockets of the functions, in the order of the guest's slots.
    functions: Vec<PathBuf>,
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
    /// decides which of them exist. They are on the device numbers after the physical one.
    ///
    /// # Errors
    /// [`Error`] with the path or the limit.
    pub fn start(options: &Options) -> Result<Self, Error> {
        check(&options.machine)?;
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
        for (index, spec) in options.machine.cards.iter().enumerate() {
            let count = virtual_functions(spec);
            // Checked to be few.
            let number = u8::try_from(paths.len()).unwrap_or(u8::MAX);
            let place = config::Slot { number, virtual_functions: count };
            let board =
                Board::new(spec.clone(), place, Arc::clone(&window)).map_err(Error::Event)?;
            let board = Arc::new(board);
            let units = std::iter::once(Unit::Physical).chain((0..count.into()).map(Unit::Virtual));
            let mut functions = Vec::new();
            for unit in units {
                let path = sockets.join(match unit {
                    Unit::Physical => format!("{index}.sock"),
                    Unit::Virtual(n) => format!("{index}.{n}.sock"),
                });
                listeners.push(bind(&path)?);
                functions.push(Arc::new(Function::new(Arc::clone(&board), unit)));
                paths.push(path);
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
        let devices = self
            .functions
            .iter()
            .map(|socket| format!("virtio_uml.device={}:{DEVICE_ID}", socket.display()));
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
        for path in self.functions.iter().chain([&self.control]) {
            if let Err(e) = std::fs::remove_file(path) {
                eprintln!("fpga-emulator: {}: {e}", path.display());
            }
        }
    }
}

fn virtual_functions(spec: &machine::CardSpec) -> u16 {
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
