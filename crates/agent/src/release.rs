//! Cleans the regions that pods have left.
//!
//! The runtime hook does that when a container has ended, but not every runtime runs it then, and a node
//! that loses its power runs nothing. So the agent resets the slots of a region that nobody holds any more, by what the
//! kubelet says ([`crate::holdings`]). An agent that may open no device, as in the chart's pod, has the programmer do it,
//! or leaves it to the hook.

use std::sync::Arc;

use fpga::names::{Mode, Named};
use fpga::root::Root;
use tokio::sync::watch;

use crate::kubelet::podresources::Held;
use crate::metrics::{Cleaning, Metrics};
use crate::node::inventory::Snapshot;
use crate::programmer::Programmer;
use cleaning::Outcome;

mod cleaning;

/// What cleans.
#[derive(Debug)]
pub(crate) struct Cleaner {
    root: Root,
    metrics: Metrics,
    /// Who does it, if not the agent.
    programmer: Option<Programmer>,
    /// The agent may not.
    is_denied: bool,
}

/// What became of a released device.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cleaned {
    /// There is nothing left to do, or nothing that can be done.
    Over,
    /// Somebody uses or programs the region.
    Later(String),
}

impl Cleaner {
    #[must_use]
    pub(crate) fn new(root: Root, metrics: Metrics, programmer: Option<Programmer>) -> Self {
        Self { root, metrics, programmer, is_denied: false }
    }

    /// Whether a device is cleaned when it is released: with a programmer, every device; otherwise a region, unless it
    /// may be a card that its pod programmed.
    #[must_use]
    pub(crate) fn is_for(&self, device: &Held, mode: Mode) -> bool {
        if self.programmer.is_some() {
            return true;
        }
        let is_region = matches!(device.resource.named(), Named::Region(_));
        is_region && mode != Mode::RegionDevel && !self.is_denied
    }

    /// Cleans the `slots` of a device.
    pub(crate) async fn clean(
        &mut self,
        device: &Held,
        slots: Vec<String>,
        inventory: &watch::Receiver<Option<Arc<Snapshot>>>,
    ) -> Cleaned {
        let (root, programmer) = (self.root.clone(), self.programmer.clone());
        let inventory = inventory.borrow().clone();
        let cleaning = move || match (inventory, programmer) {
            (Some(found), Some(programmer)) => cleaning::ask(&programmer, &found.inventory, &slots),
            (Some(found), None) => cleaning::clean(&root, &found.inventory, &slots),
            (None, _) => Outcome::Later("the node is not scanned yet".to_owned()),
        };
        match tokio::task::spawn_blocking(cleaning).await {
            Ok(Outcome::Cleaned(warnings)) => {
                tracing::info!(device = device.id, "region cleaned: no pod holds it any more");
                for warning in warnings {
                    tracing::info!(device = device.id, "{warning}");
                }
                self.metrics.cleaned(Cleaning::Done);
                return Cleaned::Over;
            }
            Ok(Outcome::Later(reason)) => return Cleaned::Later(reason),
            Ok(Outcome::Denied(reason)) => {
                self.is_denied = true;
                tracing::info!(
                    "regions that pods have left are cleaned by the runtime hook alone, since the agent may open no \
                     device: {reason}"
                );
                return Cleaned::Over;
            }
            Ok(Outcome::Failed(reason)) => {
                tracing::warn!(device = device.id, "region not cleaned: {reason}");
            }
            Err(error) => tracing::error!(device = device.id, "region not cleaned: {error}"),
        }
        self.metrics.cleaned(Cleaning::Failed);
        Cleaned::Over
    }
}
