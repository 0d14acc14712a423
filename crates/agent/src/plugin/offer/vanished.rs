//! Devices of cards that left the bus. The kubelet may still have them allocated, and an operator should
//! see that something is missing, so they stay under their own names for a while.

use std::time::{Duration, Instant};

use super::{Known, Memory, Plan, unhealthy};
use crate::node::health::Reason;
use crate::node::inventory::Snapshot;
use crate::plugin::device::Device;

impl Plan {
    /// Adds the devices that `memory` has of cards that are gone since less than `keep`. A card that is there
    /// has what it has: a port that it no longer shows was taken away, by somebody who may.
    #[must_use]
    pub fn with_vanished(
        mut self,
        snapshot: &Snapshot,
        memory: &Memory,
        keep: Duration,
        now: Instant,
    ) -> Self {
        for ((address, id), known) in &memory.0 {
            let boards = &snapshot.inventory.boards;
            let mut devices = self.offer.values().flatten();
            if boards.iter().any(|board| board.pci.address == *address)
                // Numbers are given again: another card may have this one's now.
                || devices.any(|device| device.id == *id)
            {
                continue;
            }
            let since = known.gone_since.unwrap_or(now);
            let Some(until) = since.checked_add(keep).filter(|until| *until > now) else {
                continue;
            };
            self.again_at = Some(self.again_at.map_or(until, |at| at.min(until)));
            let health =
                unhealthy(Reason::Vanished, "the card is gone from the bus, or its driver from it");
            let device = Device { health, ..known.device.clone() };
            self.offer.entry(known.name.clone()).or_default().push(device);
            let known = Known { gone_since: Some(since), ..known.clone() };
            self.memory.0.insert((*address, id.clone()), known);
        }
        self
    }
}
