//! The error registers of a card and a port: cleared before a programming, read after one that
//! failed.

use std::path::PathBuf;

use super::error::Problem;
use super::outcome::Warning;
use super::target::{Device, Target};
use crate::card::Driver;
use crate::stack::intel::errors::Register;
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
pub(super) fn describe(target: &Target, before: &FmeErrors) -> Vec<String> {
    let mut clauses = Vec::new();
    match sysfs::read_number(&port_errors(target)) {
        Ok(None | Some(0)) => {}
        Ok(Some(value)) => clauses.push(format!("port errors: {}", Register::Port.words(value))),
        Err(error) => clauses.push(format!("port errors unreadable: {error}")),
    }
    clauses.extend(before.new_in(&FmeErrors::read(&target.card.device)));
    clauses
}

/// Clears what earlier users left in the port's error register, so that errors afterwards are new.
///
/// Errors are cleared by writing the value that is set (`errors_store` in `dfl-afu-error.c`); the
/// out-of-tree driver takes it at `errors/clear`. The management engine's registers are the card's
/// and stay, and those of the reconfiguration engine are cleared by the drivers themselves at the
/// start of a programming (`fme_mgr_write_init`).
pub(super) fn clear(target: &Target) -> Result<Option<Warning>, Problem> {
    let path = port_errors(target);
    let value = sysfs::read_number(&path).map_err(|error| Problem::Attribute {
        path: path.clone(),
        action: "read",
        error,
    })?;
    let Some(value) = value.filter(|value| *value != 0) else { return Ok(None) };
    let errors = Register::Port.words(value);
    Ok(match sysfs::write(&clearing(target), &format!("{value:#x}")) {
        Ok(()) => Some(Warning::ErrorsCleared { errors }),
        Err(errno) => Some(Warning::ErrorsNotCleared { errors, errno }),
    })
}

fn port_errors(target: &Target) -> PathBuf {
    target.slot.attribute("errors/errors")
}

fn clearing(target: &Target) -> PathBuf {
    match target.card.driver {
        Driver::Dfl => port_errors(target),
        Driver::Opae => target.slot.attribute("errors/clear"),
    }
}
