//! Gets a card back whose region a failed programming left disabled, or that has a port without a
//! driver.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::book;
use super::claim::{Claim, Users};
use super::error::{Context, Error, Problem};
use super::lock::{self, CardLock};
use super::outcome::{Progress, Step, Warning};
use super::target::Target;
use crate::card::{Card, Function};
use crate::id::PciAddress;
use crate::root::Root;
use crate::scan::scan;
use crate::stack::{self, Management};
use crate::sysfs;
use crate::watch::Watcher;

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
    /// How.
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
    /// Its slots and what they hold. Their names may be others than before.
    pub slots: Vec<(String, Function)>,
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
    let card = card_at(root, address);
    let context = match &card {
        Some(card) => Context::card(&Management::new(root, card)),
        None => Context::place(format!("card {address}")),
    };
    let recovery = Recovery { root, address, options };
    recovery.run(card.as_ref(), progress).map_err(|problem| context.error(problem))
}

struct Recovery<'a> {
    root: &'a Root,
    address: PciAddress,
    options: &'a RecoverOptions,
}

impl Recovery<'_> {
    fn run(&self, card: Option<&Card>, progress: &mut dyn Progress) -> Result<Recovered, Problem> {
        let alone = card.map(|card| self.lock_alone(card, progress)).transpose()?;
        let mut warnings = Vec::new();
        if let Some(card) = card {
            progress.step(Step::Verifying);
            warnings = self.check_users(card)?;
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
        let expected = card.map(physical_slots).unwrap_or_default();
        let card = self.wait(&expected, &mut watcher)?;
        let management = Management::new(self.root, &card);
        let _lock = lock::lock(&management, self.options.lock_timeout, progress)?;
        let card = card_at(self.root, self.address).unwrap_or(card);
        if card.slots.iter().any(|slot| slot.function == Function::Busy) {
            return Err(Problem::Disabled);
        }
        let slots = card.slots.into_iter().map(|slot| (slot.name, slot.function)).collect();
        Ok(Recovered { slots, warnings })
    }

    /// The lock, with nobody else at the card's management node.
    fn lock_alone(&self, card: &Card, progress: &mut dyn Progress) -> Result<CardLock, Problem> {
        progress.step(Step::Locking);
        let node = Management::new(self.root, card).device.node;
        let waiting = &mut |holder: Option<&_>| progress.step(Step::Waiting(holder));
        Ok(CardLock::acquire_alone(&node, self.options.lock_timeout, waiting)?)
    }

    /// Every port of the card goes away.
    fn check_users(&self, card: &Card) -> Result<Vec<Warning>, Problem> {
        let vfs = card.pci.as_ref().map_or(0, |pci| pci.sriov_numvfs);
        let users = Users::of(self.options.ignore_users);
        if vfs > 0 && users == Users::Refuse {
            return Err(Problem::VirtualFunctions(vfs));
        }
        let mut warnings = Vec::new();
        // One without a driver has no user, and cannot be opened.
        for slot in card.slots.iter().filter(|slot| slot.function != Function::Absent) {
            let target = Target::new(self.root, card, slot);
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
            // None is bound: one that is there.
            None => stack::ALL
                .iter()
                .filter_map(|stack| stack.programmer())
                .flat_map(|programmer| programmer.pci_drivers())
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
    fn wait(&self, expected: &BTreeSet<u32>, watcher: &mut Watcher) -> Result<Card, Problem> {
        let start = Instant::now();
        loop {
            let missing = match card_at(self.root, self.address) {
                None => "the card".to_owned(),
                Some(card) => match self.missing(&card, expected) {
                    None => return Ok(card),
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

    fn missing(&self, card: &Card, expected: &BTreeSet<u32>) -> Option<String> {
        let nodes = card.slots.iter().flat_map(|slot| &slot.nodes).chain(&card.management);
        if let Some(node) = nodes.map(|node| self.root.node(&node.name)).find(|node| !node.exists())
        {
            return Some(node.display().to_string());
        }
        let is_back = |id: &u32| {
            let slot = card.slots.iter().find(|slot| slot.number == *id);
            slot.is_some_and(|slot| !matches!(slot.function, Function::Absent | Function::Busy))
        };
        expected.iter().find(|id| !is_back(id)).map(|id| format!("the function of port {id}"))
    }
}

fn card_at(root: &Root, address: PciAddress) -> Option<Card> {
    scan(root).cards.into_iter().find(|card| card.id == address.into())
}

/// Those on virtual functions do not come back by themselves.
fn physical_slots(card: &Card) -> BTreeSet<u32> {
    card.slots.iter().filter(|slot| !slot.is_virtual).map(|slot| slot.number).collect()
}

fn write(path: &Path, text: &str) -> Result<(), Problem> {
    sysfs::write(path, text)
        .map_err(|errno| stack::Error::attribute(path, "write", errno.into()).into())
}
