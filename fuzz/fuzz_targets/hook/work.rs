//! In place of the work on a card: a record of it, and the function shown afterwards.

use std::fmt::{self, Display};
use std::fs;
use std::time::Duration;

use fpga::bitstream::{Bitstream, ImageId};
use fpga::card::Function;
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

/// As the hook's own.
pub(super) struct Work {
    words: &'static str,
    pub(super) programmed: Option<Duration>,
}

impl Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words)
    }
}

/// Whether to program what is loaded already: all the same here.
pub(super) struct Reprogram;

impl Reprogram {
    pub(super) fn unless_shown(_: ImageId) -> Self {
        Self
    }
}

pub(super) fn reset(target: &Target, _: Duration) -> Result<Work, Failure> {
    record(target, None);
    Ok(Work { words: "reset", programmed: None })
}

pub(super) fn program(
    target: &Target,
    bitstream: &Bitstream,
    _: Reprogram,
    _: Duration,
) -> Result<Work, Failure> {
    assert_eq!(bitstream.interface_id().ok(), target.interface_id, "{bitstream:?} into {target}");
    let shows = bitstream.afu_id().expect("it was looked up by its function");
    fs::write(target.slot.dir.join("afu_id"), format!("{shows}\n")).expect("the tree is our own");
    record(target, Some(bitstream.image_id().expect("it was looked up by it")));
    Ok(Work { words: "programmed", programmed: Some(Duration::ZERO) })
}

fn record(target: &Target, image: Option<ImageId>) {
    let shows = match target.function() {
        Function::Loaded { afu_id } => Some(afu_id),
        _ => None,
    };
    let Target { interface_id: interface, .. } = *target;
    let done = Done { port: target.slot.name.clone(), interface, shows, image };
    DONE.with_borrow_mut(|all| all.push(done));
}
