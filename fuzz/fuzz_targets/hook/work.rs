//! In place of the work on a card: a record of it, and the function shown afterwards.

use std::fs;
use std::time::Duration;

use fpga::bitstream::{Bitstream, ImageId};
use fpga::board::Function;
use fpga::id::{AfuId, InterfaceId};
use fpga::program::Target;

use super::DONE;
use super::failure::Failure;

/// Something that was done to a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) port: String,
    pub(super) interface: Option<InterfaceId>,
    /// The function that the region shows afterwards.
    pub(super) shows: Option<AfuId>,
    /// What was put into it, unless it was only reset.
    pub(super) image: Option<ImageId>,
}

/// Whether to program what is loaded already: all the same here.
pub(super) struct Reprogram;

impl Reprogram {
    pub(super) fn unless_shown(_: ImageId) -> Self {
        Self
    }
}

pub(super) fn reset(target: &Target, _: Duration) -> Result<String, Failure> {
    record(target, None);
    Ok("reset".to_owned())
}

pub(super) fn program(
    target: &Target,
    bitstream: &Bitstream,
    _: Reprogram,
    _: Duration,
) -> Result<String, Failure> {
    assert_eq!(bitstream.interface_id().ok(), target.interface_id, "{bitstream:?} into {target}");
    let shows = bitstream.afu_id().expect("it was looked up by its function");
    fs::write(target.port.dir.join("afu_id"), format!("{shows}\n")).expect("the tree is our own");
    record(target, Some(bitstream.image_id().expect("it was looked up by it")));
    Ok("programmed".to_owned())
}

fn record(target: &Target, image: Option<ImageId>) {
    let shows = match target.function() {
        Function::Loaded { afu_id } => Some(afu_id),
        _ => None,
    };
    let Target { interface_id: interface, .. } = *target;
    let done = Done { port: target.port.name.clone(), interface, shows, image };
    DONE.with_borrow_mut(|all| all.push(done));
}
