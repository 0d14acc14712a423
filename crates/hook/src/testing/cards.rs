//! In place of the work on a card: a record of it, and the function shown afterwards.

use std::cell::RefCell;
use std::fs;
use std::time::Duration;

use fpga::bitstream::{Bitstream, ImageId};
use fpga::card::Function;
use fpga::id::{AfuId, InterfaceId};
use fpga::program::Target;

use crate::cards::{Cards, Reprogram, Work};
use crate::failure::Failure;

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

/// Cards that do nothing but show what is put into them.
#[derive(Default)]
pub(super) struct Recorder(RefCell<Vec<Done>>);

impl Recorder {
    /// What was done since the last time.
    pub(super) fn take(&self) -> Vec<Done> {
        self.0.take()
    }

    fn record(&self, target: &Target, image: Option<ImageId>) {
        let shows = match target.function() {
            Function::Loaded { afu_id } => Some(afu_id),
            _ => None,
        };
        let Target { interface_id: interface, .. } = *target;
        let done = Done { port: target.slot.name.clone(), interface, shows, image };
        self.0.borrow_mut().push(done);
    }
}

impl Cards for Recorder {
    fn reset(&self, target: &Target, _: Duration) -> Result<Work, Failure> {
        self.record(target, None);
        Ok(Work { words: "reset".to_owned(), programmed: None })
    }

    /// Whether to program what is loaded already is all the same here.
    fn program(
        &self,
        target: &Target,
        bitstream: &Bitstream,
        _: Reprogram,
        _: Duration,
    ) -> Result<Work, Failure> {
        assert_eq!(
            bitstream.interface_id().ok(),
            target.interface_id,
            "{bitstream:?} into {target}"
        );
        let shows = bitstream.afu_id().expect("it was looked up by its function");
        fs::write(target.slot.dir.join("afu_id"), format!("{shows}\n"))
            .expect("the tree is our own");
        self.record(target, Some(bitstream.image_id().expect("it was looked up by it")));
        Ok(Work { words: "programmed".to_owned(), programmed: Some(Duration::ZERO) })
    }
}
