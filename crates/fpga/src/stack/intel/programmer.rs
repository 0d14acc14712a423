//! How both drivers program: the FME takes an image for one of its ports, the port shows what it has.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::driver::{self, Fme, Port};
use super::errors::Register;
use super::function::{self, FunctionError};
use super::manager::Manager;
use super::registers::FmeErrors;
use super::{Intel, clock, direct, parts, registers};
use crate::card::{Card, DeviceNumber, Driver, Function};
use crate::errors::ErrorRegister;
use crate::root::Root;
use crate::stack::{
    Cause, Clock, Device, Engine, Error, Found, Held, Management, Programmer, Rejected, Sharing,
    Unbound,
};
use crate::sysfs;

impl Programmer for Intel {
    fn pci_drivers(&self) -> &'static [&'static str] {
        &["dfl-pci", "intel-fpga-pci"]
    }

    fn find(&self, root: &Root, number: DeviceNumber) -> Option<Found> {
        direct::find(root, number)
    }

    fn unbound(&self, root: &Root, card: &Card) -> Unbound {
        parts::unbound(root, card)
    }

    fn open(&self, card: &Management) -> Result<Box<dyn Engine>, Error> {
        let fme = Fme::open(&card.device.node)?;
        let before = FmeErrors::read(&card.device);
        Ok(Box::new(Opened { fme, card: card.device.clone(), before }))
    }

    fn hold(&self, slot: &Device, sharing: Sharing) -> Result<Box<dyn Held>, Error> {
        Ok(Box::new(match sharing {
            Sharing::Shared => Port::open(&slot.node)?,
            Sharing::Exclusive => Port::open_exclusive(&slot.node)?,
        }))
    }

    fn function(&self, slot: &Device) -> Result<Function, Error> {
        let path = slot.attribute("afu_id");
        let is_driven = || slot.attribute("driver").exists();
        match function::of_attribute(sysfs::read(&path), is_driven) {
            Ok(function) => Ok(function),
            Err(FunctionError::Attribute(error @ sysfs::AttrError::Os(_))) => {
                Err(Error::attribute(&path, "read", error))
            }
            Err(_) => Ok(Function::Unreadable),
        }
    }

    fn explains_busy(&self, card: &Management) -> Result<bool, Error> {
        Ok(Manager::of(&card.device)?.explains_busy())
    }

    fn clock(&self, slot: &Device) -> Result<Box<dyn Clock>, Error> {
        clock::of(slot)
    }

    fn latched(&self, slot: &Device) -> Result<Option<ErrorRegister>, Error> {
        registers::of_port(slot)
    }

    /// Errors are cleared by writing the value that is set (`errors_store` in `dfl-afu-error.c`,
    /// `dfl-fme-error.c`); the out-of-tree driver takes it at `clear` beside the register.
    fn clearing(
        &self,
        card: &Management,
        slot: Option<&Device>,
        register: &str,
    ) -> Option<PathBuf> {
        let name = match (slot.is_some(), card.driver, register) {
            (true, Driver::Dfl, "errors")
            | (false, _, "pcie0_errors" | "pcie1_errors")
            | (false, Driver::Dfl, "fme_errors") => register,
            (true, Driver::Opae, "errors") => "clear",
            (false, Driver::Opae, "fme-errors/errors") => "fme-errors/clear",
            _ => return None,
        };
        Some(slot.unwrap_or(&card.device).attribute("errors").join(name))
    }
}

struct Opened {
    fme: Fme,
    card: Device,
    /// What it had latched when it was opened: what comes later is new.
    before: FmeErrors,
}

impl Engine for Opened {
    fn load(&self, slot: &Device, number: u32, payload: &[u8]) -> Result<Duration, Rejected> {
        let start = Instant::now();
        let result = self.fme.port_pr(number, payload);
        let time = start.elapsed();
        let explain = |error| Rejected { details: self.explain(&error, slot), error: error.into() };
        result.map(|()| time).map_err(explain)
    }

    fn release(&self, number: u32) -> Result<(), Error> {
        Ok(self.fme.port_release(number)?)
    }

    fn assign(&self, number: u32) -> Result<(), Error> {
        Ok(self.fme.port_assign(number)?)
    }
}

impl Opened {
    /// Everything that the card and the driver say about an image that was not taken. What cannot be read does
    /// not hide the driver's own answer.
    fn explain(&self, error: &driver::Error, port: &Device) -> Vec<String> {
        let mut details = Vec::new();
        if let driver::Error::Reconfiguration { status, .. } = error {
            details.push(Register::Reconfiguration.words(*status));
        }
        let manager = Manager::of(&self.card).unwrap_or_default();
        details.extend(manager.errors);
        if manager.state.ends_with("error") {
            details.push(format!("the manager's state is {:?}", manager.state));
        }
        details.extend(registers::describe(port, &self.card, &self.before));
        details
    }
}

impl Held for Port {
    fn reset(&self) -> Result<(), Error> {
        Ok(Port::reset(self)?)
    }
}

impl From<driver::Error> for Error {
    fn from(error: driver::Error) -> Self {
        let cause = match error.cause() {
            driver::Cause::Busy => Cause::Busy,
            driver::Cause::Gone => Cause::Gone,
            driver::Cause::Denied => Cause::Denied,
            driver::Cause::LockedMemory | driver::Cause::Other => Cause::Other,
        };
        Self::new(cause, error)
    }
}
