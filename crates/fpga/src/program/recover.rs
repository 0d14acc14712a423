//! Gets a card back whose region a failed programming left disabled, or that has a port without a
//! driver.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::book;
use super::claim::{Claim, Users};
use super::error::{Context, Error, Problem};
use super::lock::CardLock;
use super::outcome::{Progress, Step, Warning};
use super::target::{Card, Target};
use crate::board::{Board, Function};
use crate::id::PciAddress;
use crate::root::Root;
use crate::scan::scan;
use crate::sysfs;
use crate::watch::Watcher;

/// Drivers of the cards' PCI functions, for a card that has none bound.
const DRIVERS: [&str; 2] = ["dfl-pci", "intel-fpga-pci"];

/// How the card is taken away and brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Its driver is unbound and bound.
    Rebind,
    /// It is removed from the PCI bus, and the bus scanned again.
    Rescan,
}

/// What a recovery takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoverOptions {
    /// How the driver is made to set the card up again.
    pub method: Method,
    /// How long to wait for the card's lock.
    pub lock_timeout: Duration,
    /// How long to wait for the card's nodes to come back.
    pub timeout: Duration,
    /// Go on though a port of the card is in use or virtual functions are enabled.
    pub ignore_users: bool,
}

/// A card that is back.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// Its ports and what they hold. Their names may be others than before.
    pub ports: Vec<(String, Function)>,
    /// What the caller should know.
    pub warnings: Vec<Warning>,
}

impl Default for RecoverOptions {
    fn default() -> Self {
        Self {
            method: Method::Rebind,
            lock_timeout: super::LOCK_TIMEOUT,
            timeout: Duration::from_secs(30),
            ignore_users: false,
        }
    }
}

/// Takes the driver from the card at `address` and gives it back, which cures a region that is
/// disabled and a port without a driver. All ports of the card are without function meanwhile.
///
/// A card without a driver, as an interrupted recovery leaves it, only gets its driver.
///
/// # Errors
/// A port is in use, the card stays locked, an attribute cannot be written, or the card or a region
/// does not come back.
pub fn recover(
    root: &Root,
    address: PciAddress,
    options: &RecoverOptions,
    progress: &mut dyn Progress,
) -> Result<Recovered, Error> {
    let board = board_at(root, address);
    let context = match &board {
        Some(board) => Context::card(&Card::new(root, board)),
        None => Context::place(format!("card {address}")),
    };
    let recovery = Recovery { root, address, options };
    recovery.run(board.as_ref(), progress).map_err(|problem| context.error(problem))
}

struct Recovery<'a> {
    root: &'a Root,
    address: PciAddress,
    options: &'a RecoverOptions,
}

impl Recovery<'_> {
    fn run(
        &self,
        board: Option<&Board>,
        progress: &mut dyn Progress,
    ) -> Result<Recovered, Problem> {
        let alone = board.map(|board| self.lock_alone(board, progress)).transpose()?;
        let mut warnings = Vec::new();
        if let Some(board) = board {
            progress.step(Step::Verifying);
            warnings = self.check_users(board)?;
        }
        // Before anything changes, so that no change is missed.
        let mut watcher = Watcher::new(self.root)
            .map_err(|error| Problem::System { what: "cannot watch for the card".into(), error })?;
        // A node that is open when the driver goes and closed later has the kernel use freed memory:
        // `fme_release` and `afu_release` look into interrupts that went with the PCI function's driver
        // (`irq_ctx`, seen in Linux 6.1). So the lock ends here, a moment too early; who comes
        // now waits for nothing but finds the card gone.
        drop(alone);
        match self.options.method {
            Method::Rebind => self.rebind(progress)?,
            Method::Rescan => self.rescan(progress)?,
        }
        let expected = board.map(physical_ports).unwrap_or_default();
        let board = self.wait(&expected, &mut watcher)?;
        let _lock = self.lock(&board, progress)?;
        let board = board_at(self.root, self.address).unwrap_or(board);
        if board.ports.iter().any(|port| port.function == Function::Busy) {
            return Err(Problem::Disabled);
        }
        let ports = board.ports.into_iter().map(|port| (port.node.name, port.function)).collect();
        Ok(Recovered { ports, warnings })
    }

    fn lock(&self, board: &Board, progress: &mut dyn Progress) -> Result<CardLock, Problem> {
        progress.step(Step::Locking);
        let node = self.root.node(&board.fme.node.name);
        let waiting = &mut |holder: Option<&_>| progress.step(Step::Waiting(holder));
        Ok(CardLock::acquire(&node, self.options.lock_timeout, waiting)?)
    }

    /// The lock, with nobody else at the card's management node.
    fn lock_alone(&self, board: &Board, progress: &mut dyn Progress) -> Result<CardLock, Problem> {
        progress.step(Step::Locking);
        let node = self.root.node(&board.fme.node.name);
        let waiting = &mut |holder: Option<&_>| progress.step(Step::Waiting(holder));
        Ok(CardLock::acquire_alone(&node, self.options.lock_timeout, waiting)?)
    }

    /// Every port of the card goes away.
    fn check_users(&self, board: &Board) -> Result<Vec<Warning>, Problem> {
        let vfs = board.pci.sriov_numvfs;
        let users = if self.options.ignore_users { Users::Ignore } else { Users::Refuse };
        if vfs > 0 && users == Users::Refuse {
            return Err(Problem::VirtualFunctions(vfs));
        }
        let mut warnings = Vec::new();
        // One without a driver has no user, and cannot be opened.
        for port in board.ports.iter().filter(|port| port.function != Function::Absent) {
            let target = Target::new(self.root, board, port);
            if users == Users::Refuse {
                book::refuse_held(&target)?;
            }
            warnings.extend(Claim::new(&target, users)?.warning());
        }
        if vfs > 0 {
            warnings.push(Warning::VirtualFunctionsLost(vfs));
        }
        Ok(warnings)
    }

    fn rebind(&self, progress: &mut dyn Progress) -> Result<(), Problem> {
        let function = self.root.pci_device(self.address);
        let address = self.address.to_string();
        let bound = fs::read_link(function.join("driver")).ok();
        let bound = bound.as_ref().and_then(|link| link.file_name()?.to_str());
        let driver = match bound {
            Some(name) => name,
            None => DRIVERS
                .into_iter()
                .find(|name| self.root.pci_driver(name).exists())
                .ok_or(Problem::NoDriver)?,
        };
        let dir = self.root.pci_driver(driver);
        if bound.is_some() {
            progress.step(Step::Unbinding);
            write(&dir.join("unbind"), &address)?;
        }
        progress.step(Step::Binding);
        write(&dir.join("bind"), &address)
    }

    fn rescan(&self, progress: &mut dyn Progress) -> Result<(), Problem> {
        progress.step(Step::Unbinding);
        write(&self.root.pci_device(self.address).join("remove"), "1")?;
        progress.step(Step::Binding);
        write(&self.root.pci_rescan(), "1")
    }

    /// Waits for the card, its nodes and the ports that it had.
    fn wait(&self, expected: &BTreeSet<u32>, watcher: &mut Watcher) -> Result<Board, Problem> {
        let start = Instant::now();
        loop {
            let missing = match board_at(self.root, self.address) {
                None => "the card".to_owned(),
                Some(board) => match self.missing(&board, expected) {
                    None => return Ok(board),
                    Some(missing) => missing,
                },
            };
            let left = self.options.timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(Problem::NotBack { waited: start.elapsed(), missing });
            }
            watcher.wait(Some(left)).map_err(|error| Problem::System {
                what: "cannot watch for the card".into(),
                error,
            })?;
        }
    }

    fn missing(&self, board: &Board, expected: &BTreeSet<u32>) -> Option<String> {
        let nodes = board.ports.iter().map(|port| &port.node.name).chain([&board.fme.node.name]);
        if let Some(node) = nodes.map(|name| self.root.node(name)).find(|node| !node.exists()) {
            return Some(node.display().to_string());
        }
        let is_back = |id: &u32| {
            let port = board.ports.iter().find(|port| port.id == *id);
            port.is_some_and(|port| !matches!(port.function, Function::Absent | Function::Busy))
        };
        expected.iter().find(|id| !is_back(id)).map(|id| format!("the function of port {id}"))
    }
}

fn board_at(root: &Root, address: PciAddress) -> Option<Board> {
    scan(root).boards.into_iter().find(|board| board.pci.address == address)
}

/// Those on virtual functions do not come back by themselves.
fn physical_ports(board: &Board) -> BTreeSet<u32> {
    board.ports.iter().filter(|port| !port.is_virtual).map(|port| port.id).collect()
}

fn write(path: &Path, text: &str) -> Result<(), Problem> {
    sysfs::write(path, text).map_err(|errno| Problem::Attribute {
        path: path.to_owned(),
        action: "write",
        error: errno.into(),
    })
}
