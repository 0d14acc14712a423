//! The management engine: one per card.

use std::path::Path;

use super::super::errors::Register;
use super::Flavour;
use super::container::Engine;
use super::object::Object;
use crate::card::{DeviceNode, Problem};

/// Reads the FME `name` at `path`. One whose directory cannot be opened is still known by its name,
/// since the ports beside it are usable.
pub(super) fn read(
    flavour: &Flavour,
    name: &str,
    path: &Path,
    problems: &mut Vec<Problem>,
) -> Engine {
    let Some(mut object) = Object::open(name, path, problems) else {
        return Engine {
            node: DeviceNode { name: name.to_owned(), number: None },
            ports_num: None,
            bitstream_id: None,
            bitstream_metadata: None,
            socket_id: None,
            errors: Vec::new(),
            regions: Vec::new(),
        };
    };
    Engine {
        node: object.node(),
        ports_num: object.number("ports_num"),
        bitstream_id: object.number("bitstream_id"),
        bitstream_metadata: object.number("bitstream_metadata"),
        socket_id: object.number("socket_id"),
        errors: object.errors(flavour.fme_errors, Register::read_fme),
        regions: (flavour.regions)(&mut object),
    }
}
