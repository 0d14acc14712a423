//! Ports, and the accelerator functions behind them.

use std::path::Path;

use nix::errno::Errno;

use super::super::errors::Register;
use super::super::function::of_attribute;
use super::Flavour;
use super::object::Object;
use crate::card::{Function, Problem, Slot};
use crate::id::PciAddress;

/// Where a port is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) function: PciAddress,
    pub(super) is_virtual: bool,
}

/// Reads the port `name` at `path`. `None`, with a problem, when it has no number: a port that cannot
/// be told from the others of its card can be neither paired with a region nor programmed.
pub(super) fn read(
    flavour: &Flavour,
    name: &str,
    path: &Path,
    place: Place,
    problems: &mut Vec<Problem>,
) -> Option<Slot> {
    let mut object = Object::open(name, path, problems)?;
    let id = object.number("id");
    if id.is_none() && !object.has("id") {
        object.problem("id", why_unnumbered(&object, place));
    }
    Some(Slot {
        number: id?,
        name: name.to_owned(),
        // Depends on what else the card has.
        region_name: String::new(),
        nodes: vec![object.node()],
        pci: Some(place.function),
        is_virtual: place.is_virtual,
        region: None,
        function: function(&mut object),
        errors: object.errors(flavour.port_errors, Register::read_port),
    })
}

/// Why a port has no attribute `id`. Attributes are the driver's: Linux 6.1 leaves a port without one when it was
/// released and assigned again, and then it has none of them.
fn why_unnumbered(object: &Object<'_>, place: Place) -> String {
    if object.has("afu_id") {
        return Errno::ENOENT.desc().to_owned();
    }
    match place.is_virtual {
        true => "no driver is bound to the port".to_owned(),
        false => {
            format!("no driver is bound to the port: run `fpgactl recover {}`", place.function)
        }
    }
}

fn function(object: &mut Object<'_>) -> Function {
    of_attribute(object.raw("afu_id"), || object.has("driver")).unwrap_or_else(|error| {
        object.problem("afu_id", error);
        Function::Unreadable
    })
}
