//! In place of the work on a card: a record of it, and the function shown afterwards.

use std::cell::RefCell;
use std::fs;
use std::time::Duration;

use fpga::bitstream::{Bitstream, ImageId};
use fpga::card::Function;
use fpga::id::{AfuId, InterfaceId};
use fpga::ledger::{Entry, State};
use fpga::program::{CardLock, For, SlotOptions, Target};

use crate::cards::{Cards, Work};
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

    /// Notes in the ledger what a card would note. False when there is nothing to clean.
    fn note(target: &Target, purpose: For) -> bool {
        let owner = match purpose {
            For::Owner(owner) => Some(owner),
            For::After(ended) => {
                let owner = target.entry().and_then(|entry| entry.owner);
                if !owner.is_some_and(|owner| owner.is_named_as(&ended)) {
                    return false;
                }
                None
            }
            other => panic!("{other:?} is not a hook's"),
        };
        let lock = CardLock::acquire(&target.card.device.node, Duration::ZERO, &mut |_| {})
            .expect("nobody else is here");
        let entry = Entry::new(State::Owned, None, owner, target.binding());
        target.ledger().write(&lock, target.id(), &entry).expect("the ledger is our own");
        true
    }
}

impl Cards for Recorder {
    fn reset(&self, target: &Target, options: SlotOptions) -> Result<Work, Failure> {
        if !Self::note(target, options.purpose) {
            return Ok(Work::not_owned());
        }
        self.record(target, None);
        Ok(Work::new("reset", &[]))
    }

    fn program(
        &self,
        target: &Target,
        bitstream: &Bitstream,
        purpose: For,
        _: Duration,
    ) -> Result<Work, Failure> {
        assert_eq!(
            bitstream.interface_id().ok(),
            target.interface_id,
            "{bitstream:?} into {target}"
        );
        if !Self::note(target, purpose) {
            return Ok(Work::not_owned());
        }
        let shows = bitstream.afu_id().expect("it was looked up by its function");
        fs::write(target.slot.dir.join("afu_id"), format!("{shows}\n"))
            .expect("the tree is our own");
        self.record(target, Some(bitstream.image_id().expect("it was looked up by it")));
        Ok(Work { programmed: Some(Duration::ZERO), ..Work::new("programmed", &[]) })
    }
}
