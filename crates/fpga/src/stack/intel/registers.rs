//! The error registers of an FME and a port: what they say before and after an image.

use std::path::PathBuf;

use super::errors::Register;
use crate::errors::ErrorRegister;
use crate::stack::{Device, Error};
use crate::sysfs;

/// Registers of the management engine, as paths below its `errors/`, in both drivers' spelling.
const FME: [&str; 6] = [
    "fme_errors",
    "fme-errors/errors",
    "pcie0_errors",
    "pcie1_errors",
    "nonfatal_errors",
    "catfatal_errors",
];

/// What the management engine's registers held at one time.
#[derive(Debug)]
pub(super) struct FmeErrors(Vec<(&'static str, u64)>);

impl FmeErrors {
    pub(super) fn read(fme: &Device) -> Self {
        let value = |name| sysfs::read_number(&fme.attribute("errors").join(name)).ok().flatten();
        Self(FME.into_iter().filter_map(|name| Some((name, value(name)?))).collect())
    }

    /// The errors that `self` did not have, each register a clause.
    fn new_in(&self, later: &Self) -> Vec<String> {
        let before = |name| self.0.iter().find(|(n, _)| *n == name).map_or(0, |(_, value)| *value);
        let clause = |(name, value): &(&'static str, u64)| {
            let new = value & !before(*name);
            let register = Register::of_fme(name).filter(|_| new != 0)?;
            Some(format!("{name}: {}", register.words(new)))
        };
        later.0.iter().filter_map(clause).collect()
    }
}

/// What the registers say after a programming that failed, each register a clause. The port's were
/// cleared before; the management engine's are compared with what they were.
pub(super) fn describe(port: &Device, fme: &Device, before: &FmeErrors) -> Vec<String> {
    let mut clauses = Vec::new();
    match sysfs::read_number(&port_errors(port)) {
        Ok(None | Some(0)) => {}
        Ok(Some(value)) => clauses.push(format!("port errors: {}", Register::Port.words(value))),
        Err(error) => clauses.push(format!("port errors unreadable: {error}")),
    }
    clauses.extend(before.new_in(&FmeErrors::read(fme)));
    clauses
}

/// What a port has latched, unless it is nothing.
pub(super) fn of_port(port: &Device) -> Result<Option<ErrorRegister>, Error> {
    let path = port_errors(port);
    let value =
        sysfs::read_number(&path).map_err(|error| Error::attribute(&path, "read", error))?;
    Ok(value.filter(|value| *value != 0).map(|value| Register::read_port("errors", value)))
}

fn port_errors(port: &Device) -> PathBuf {
    port.attribute("errors/errors")
}
