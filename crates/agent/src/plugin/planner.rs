//! What the node offers at this moment: the pure steps, with what they must remember from one to the next.

use std::collections::BTreeSet;
use std::time::Instant;

use fpga::names::{Mode, Naming, RegionDevelName};

use super::offer::{Memory, Plan, Settings, plan};
use crate::kubelet::podresources::Held;
use crate::node::inventory::Snapshot;
use crate::node::units::units;
use crate::node::vanished::Vanished;

/// Plans, one snapshot after the other.
#[derive(Debug)]
pub(crate) struct Planner {
    naming: Naming,
    regiondevel: RegionDevelName,
    vanished: Vanished,
    memory: Memory,
    again_at: Option<Instant>,
}

impl Planner {
    /// Nothing is known yet.
    #[must_use]
    pub(crate) fn new(naming: Naming, regiondevel: RegionDevelName, vanished: Vanished) -> Self {
        Self { naming, regiondevel, vanished, memory: Memory::default(), again_at: None }
    }

    /// What devices were known as means nothing in a different mode.
    pub(crate) fn forget(&mut self) {
        self.memory = Memory::default();
    }

    /// What the node offers in `mode` while these devices are held.
    pub(crate) fn plan(&mut self, found: &Snapshot, mode: Mode, held: &BTreeSet<Held>) -> Plan {
        let mut units = units(found);
        self.again_at = self.vanished.add_to(&mut units, Instant::now());
        let Self { naming, regiondevel, .. } = *self;
        let plan = plan(&units, Settings { mode, naming, regiondevel }, &self.memory, held);
        self.memory = plan.memory.clone();
        plan
    }

    /// Waits until the plan is a different one although nothing happens: forever, if it will not be.
    pub(crate) async fn due(&self) {
        match self.again_at {
            Some(time) => tokio::time::sleep_until(time.into()).await,
            None => std::future::pending().await,
        }
    }
}
