//! The PCI core's files: who drives a card, and whether the kernel knows it (`drivers/base/bus.c`,
//! `drivers/pci/pci-sysfs.c`).

use nix::errno::Errno;

use super::store::{Store, number};
use super::{Host, Kernel, Link};
use crate::machine::Driver;

/// What somebody writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// An attribute of the card with this index.
    Card(usize, Store),
    /// A file of the PCI bus.
    Bus(BusFile),
}

/// A file of the PCI bus that belongs to no card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BusFile {
    /// `bind` of a driver: the address of a function.
    Bind(Driver),
    /// `unbind` of a driver: the address of a function.
    Unbind(Driver),
    /// `rescan`: a number other than 0.
    Rescan,
}

impl Kernel {
    /// Writes to a file of the tree. Taking the driver away waits for a reconfiguration that is under way, as
    /// `pr_mgmt_uinit` of the drivers does by the management device's mutex.
    ///
    /// # Errors
    /// As the kernel's write(2) would answer; nothing changed then.
    pub fn write(&self, target: Target, bytes: &[u8]) -> nix::Result<()> {
        if let Target::Card(index, Store::UserClockFrequency(port)) = target {
            return self.update(|host| host.set_clock(index, port, bytes));
        }
        // The kernel's texts end at a zero byte.
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = &*String::from_utf8_lossy(text);
        let ends = self.host().card_without_driver_after(target, text);
        let _idle = ends.and_then(|index| self.programming(index));
        self.update(|host| match target {
            Target::Card(index, attribute) => host.store(index, attribute, text),
            Target::Bus(file) => host.bus_store(file, text),
        })
    }

    /// Unbinds and binds the driver: the cure for a port that a failed reconfiguration left disabled. Both steps show.
    pub fn rebind(&self, index: usize) {
        let _idle = self.programming(index);
        self.update(|host| host.unbind(index));
        self.update(|host| host.bind(index));
    }
}

impl Host {
    fn card_without_driver_after(&self, target: Target, text: &str) -> Option<usize> {
        match target {
            Target::Card(index, Store::Remove) => Some(index),
            Target::Bus(BusFile::Unbind(_)) => self.function(text),
            Target::Card(..) | Target::Bus(BusFile::Bind(_) | BusFile::Rescan) => None,
        }
    }

    /// Writes `text` to a file of the PCI bus.
    ///
    /// # Errors
    /// As the kernel: `ENODEV` for an address where the driver has no function or does not fit, `EBUSY` when there is
    /// a driver already, `EINVAL` for no number.
    fn bus_store(&mut self, file: BusFile, text: &str) -> nix::Result<()> {
        match file {
            BusFile::Bind(driver) => {
                let index = self.driven_by(driver, text)?;
                if self.slots[index].bound.is_some() {
                    return Err(Errno::EBUSY);
                }
                self.bind(index);
            }
            BusFile::Unbind(driver) => {
                let index = self.driven_by(driver, text)?;
                if self.slots[index].bound.is_none() {
                    return Err(Errno::ENODEV);
                }
                self.unbind(index);
            }
            BusFile::Rescan if is_yes(text)? => self.rescan(),
            BusFile::Rescan => {}
        }
        Ok(())
    }

    /// Writes `text` to `remove` of a card's PCI function: the kernel forgets the card, which keeps its state.
    pub(super) fn remove_function(&mut self, index: usize, text: &str) -> nix::Result<()> {
        if is_yes(text)? {
            self.unbind(index);
            if let Some(slot) = self.slots.get_mut(index).filter(|s| s.link == Link::Up) {
                slot.link = Link::Removed;
            }
        }
        Ok(())
    }

    /// Finds the cards that were removed.
    fn rescan(&mut self) {
        for index in 0..self.slots.len() {
            if self.slots[index].link == Link::Removed {
                self.slots[index].link = Link::Up;
                self.bind(index);
            }
        }
    }

    fn bind(&mut self, index: usize) {
        self.probe(index);
    }

    fn unbind(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index).filter(|s| s.link == Link::Up) {
            slot.unbind(&mut self.numbers);
        }
    }

    /// The card that the kernel knows at an address, written as it writes it; a newline may follow.
    fn function(&self, address: &str) -> Option<usize> {
        let address = address.strip_suffix('\n').unwrap_or(address);
        self.slots.iter().position(|s| s.link == Link::Up && s.spec.pci.to_string() == address)
    }

    fn driven_by(&self, driver: Driver, address: &str) -> nix::Result<usize> {
        let index = self.function(address).filter(|i| self.slots[*i].spec.driver == driver);
        index.ok_or(Errno::ENODEV)
    }
}

fn is_yes(text: &str) -> nix::Result<bool> {
    number(text).map(|n| n != 0).map_err(|_| Errno::EINVAL)
}

#[cfg(test)]
mod tests;
