//! What each verb does.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use fpga::card::Inventory;
use fpga::id::DeviceId;
use fpga::names::{PromisePart, PromiseVariable};
use fpga::program::Target;
use fpga::root::Root;
use fpga::scan::scan;
use fpga::store::Store;
use fpga_hook::permission::granted_in_time;
use fpga_hook::session::Session;
use fpga_hook::{Blank, Code, Failure, Promise, Report, Slot, to_stderr};

use crate::message::{Answer, Clean, Device, Done, Failed, Leftover, Prepare, Request};
use crate::status::status;

/// What a request works with.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) root: Root,
    pub(crate) store: PathBuf,
    /// The file of grants; `None` when everything is granted.
    pub(crate) grants: Option<PathBuf>,
    pub(crate) blank: Vec<Blank>,
}

impl Node {
    /// Does what is asked.
    pub(crate) fn answer(&self, request: &Request) -> Answer {
        let mut report = Report::new("fpga-programmer", true, to_stderr);
        let result = match request {
            Request::Status {} => return Answer::Status(status(&self.root)),
            Request::Prepare(prepare) => {
                report.about(&prepare.owner.id);
                self.prepare(prepare, &mut report)
            }
            Request::Clean(clean) => self.clean(clean, &mut report),
        };
        if let Err(failure) = &result {
            report.failure(failure);
        }
        match report.first_failure() {
            Some(Failure { code, message }) => {
                Answer::Failed(Failed { code: (*code).into(), message: message.clone() })
            }
            None => Answer::Done(Done {
                touched: report.touched(),
                programmed_ms: report.programmed().iter().map(|time| milliseconds(*time)).collect(),
            }),
        }
    }

    fn session(&self, timeout_ms: u64) -> Session<'_> {
        let timeout = Duration::from_millis(timeout_ms);
        Session::new(&self.root, Store::new(&self.store), timeout, &self.blank)
    }

    fn prepare(&self, prepare: &Prepare, report: &mut Report) -> Result<(), Failure> {
        let session = self.session(prepare.timeout_ms);
        if prepare.owner.id.is_empty() {
            return Err(Failure::new(Code::Input, "the owner has no id"));
        }
        let promises: Vec<Promise> = (1..)
            .zip(&prepare.promises)
            .filter_map(|(number, promised)| {
                let number = Some(std::num::NonZeroU32::new(number)?);
                let variable = PromiseVariable { number, part: PromisePart::Function };
                Some(Promise { variable, interface: promised.interface_id, image: promised.image })
            })
            .collect();
        if let Some(grants) = &self.grants {
            granted_in_time(grants, &promises, &prepare.namespace, session.left())?;
        }
        let slots = self.slots(&prepare.devices)?;
        session.prepare(&prepare.owner, &promises, slots, report)
    }

    fn clean(&self, clean: &Clean, report: &mut Report) -> Result<(), Failure> {
        let session = self.session(clean.timeout_ms);
        match &clean.what {
            Leftover::Owner(owner) => session.clean(owner, report),
            Leftover::Device(device) => {
                for target in self.targets(&scan(&self.root), *device)? {
                    session.clean_released(&target, report);
                }
                Ok(())
            }
        }
    }

    /// The slots of the devices, each for its use.
    fn slots(&self, devices: &[Device]) -> Result<Vec<Slot>, Failure> {
        let inventory = scan(&self.root);
        let mut seen = BTreeSet::new();
        let mut slots = Vec::new();
        for &Device { device, usage } in devices {
            for target in self.targets(&inventory, device)? {
                if !seen.insert(target.id()) {
                    let message = format!("device {} is named twice", target.id());
                    return Err(Failure::new(Code::Input, message));
                }
                slots.push(Slot::new(target, usage, None));
            }
        }
        Ok(slots)
    }

    /// The slots of a device. A card stands for all of its own.
    fn targets(&self, inventory: &Inventory, device: DeviceId) -> Result<Vec<Target>, Failure> {
        let targets = inventory.slots().map(|(card, slot)| Target::new(&self.root, card, slot));
        let targets: Vec<_> = targets.filter(|target| device.covers(target.id())).collect();
        match targets.is_empty() {
            true => Err(Failure::new(Code::Gone, format!("device {device}: it is not there"))),
            false => Ok(targets),
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
