//! What a driver does to a card and its slots. When, and in which order, is [`crate::program`]'s.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::clock::Clock;
use super::error::Error;
use super::place::{Device, Found, Management};
use super::unbound::Unbound;
use crate::card::{Card, DeviceNumber, Function};
use crate::errors::ErrorRegister;
use crate::root::Root;

/// Programs the cards of one stack.
pub trait Programmer: Sync {
    /// The PCI drivers that its cards can be bound to, by name, the likeliest first.
    fn pci_drivers(&self) -> &'static [&'static str];

    /// The slot whose node has this number, reading only what is about it. `None` leaves it to a scan.
    fn find(&self, root: &Root, number: DeviceNumber) -> Option<Found>;

    /// The parts of the driver that program `card` and are not bound to it.
    fn unbound(&self, root: &Root, card: &Card) -> Unbound;

    /// Opens a card, to program it or to hand slots to virtual functions.
    ///
    /// # Errors
    /// The caller may not, or the card is gone.
    fn open(&self, card: &Management) -> Result<Box<dyn Engine>, Error>;

    /// Opens a slot, which keeps the driver from giving it away.
    ///
    /// # Errors
    /// [`super::Cause::Busy`] when somebody has it, and they or the caller exclusively.
    fn hold(&self, slot: &Device, sharing: Sharing) -> Result<Box<dyn Held>, Error>;

    /// What the slot holds now. One attribute is read, and nothing else.
    ///
    /// # Errors
    /// It cannot be read. What is there and means nothing is [`Function::Unreadable`].
    fn function(&self, slot: &Device) -> Result<Function, Error>;

    /// True when a region of the card that reads as busy is so because an image is being loaded, or about to be;
    /// false when one that failed has left it so.
    ///
    /// # Errors
    /// The driver does not say.
    fn explains_busy(&self, card: &Management) -> Result<bool, Error>;

    /// What generates the clock that the function in the slot can ask for. Nothing is touched.
    ///
    /// # Errors
    /// There is none that can be set, and why.
    fn clock(&self, slot: &Device) -> Result<Box<dyn Clock>, Error>;

    /// The errors that a slot has latched; `None` when there are none.
    ///
    /// # Errors
    /// They cannot be read.
    fn latched(&self, slot: &Device) -> Result<Option<ErrorRegister>, Error>;

    /// Where the value of an error register must be written to clear it. `None` for one that shows what other
    /// registers or the card's condition make it show.
    fn clearing(&self, card: &Management, slot: Option<&Device>, register: &str)
    -> Option<PathBuf>;
}

/// Whether others may have a slot open at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// They may.
    Shared,
    /// Nobody else has it, nor gets it.
    Exclusive,
}

/// A card that is open.
pub trait Engine {
    /// Loads `payload`, the image without its headers, into the slot of this number. Returns how long the driver
    /// took: seconds for a large image.
    ///
    /// # Errors
    /// The card or the driver refused it, with all that they say about it.
    fn load(&self, slot: &Device, number: u32, payload: &[u8]) -> Result<Duration, Rejected>;

    /// Takes a slot from the physical function, so that a virtual one can have it.
    ///
    /// # Errors
    /// It is open, or released already, or there is none of this number.
    fn release(&self, number: u32) -> Result<(), Error>;

    /// Gives a released slot back to the physical function.
    ///
    /// # Errors
    /// It is not released, or there is none of this number.
    fn assign(&self, number: u32) -> Result<(), Error>;
}

/// A slot that is open. The driver resets it when its last user closes it.
pub trait Held: fmt::Debug {
    /// Resets the slot and its function. What runs there is lost.
    ///
    /// # Errors
    /// The driver refuses, or the card does not finish.
    fn reset(&self) -> Result<(), Error>;
}

/// An image that was not taken.
#[derive(Debug)]
pub struct Rejected {
    /// The driver's answer.
    pub error: Error,
    /// What it and the card say besides, each a clause.
    pub details: Vec<String>,
}
