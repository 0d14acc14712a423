//! How far the agent is, for the health endpoint.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fpga::names::ResourceName;

/// Shared between the tasks that know and the endpoint that tells.
#[derive(Debug, Clone, Default)]
pub(crate) struct Status(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Another agent serves, and this one waits for its turn.
    standby: bool,
    scanned: bool,
    resources: BTreeMap<ResourceName, Phase>,
}

/// How far one resource is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its server is being set up or registered for the first time.
    Starting,
    /// The kubelet knows it.
    Registered,
    /// It is not registered, for this reason.
    Waiting(String),
}

impl Status {
    /// Whether another agent serves while this one waits for its turn.
    pub(crate) fn standby(&self, standby: bool) {
        self.lock().standby = standby;
    }

    /// True while this agent waits for its turn.
    #[must_use]
    pub(crate) fn is_standby(&self) -> bool {
        self.lock().standby
    }

    /// The first scan has been taken in.
    pub(crate) fn scanned(&self) {
        self.lock().scanned = true;
    }

    /// A resource got further or fell back.
    pub(crate) fn set(&self, resource: &ResourceName, phase: Phase) {
        self.lock().resources.insert(resource.clone(), phase);
    }

    /// A resource is no longer offered.
    pub(crate) fn remove(&self, resource: &ResourceName) {
        self.lock().resources.remove(resource);
    }

    /// How far each resource is.
    #[must_use]
    pub(crate) fn phases(&self) -> Vec<(ResourceName, Phase)> {
        let state = self.lock();
        state.resources.iter().map(|(name, phase)| (name.clone(), phase.clone())).collect()
    }

    /// What readiness lacks, a line for each thing; empty when the agent is ready. One that stands by is: an update waits
    /// for it before the other agent is ended.
    #[must_use]
    pub(crate) fn missing(&self) -> Vec<String> {
        let state = self.lock();
        let mut missing = Vec::new();
        if state.standby {
            return missing;
        }
        if !state.scanned {
            missing.push("the first scan is not done".to_owned());
        }
        for (resource, phase) in &state.resources {
            match phase {
                Phase::Registered => {}
                Phase::Starting => missing.push(format!("{resource}: not registered yet")),
                Phase::Waiting(reason) => {
                    missing.push(format!("{resource}: not registered: {reason}"))
                }
            }
        }
        missing
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_needs_a_scan_and_every_registration() {
        let status = Status::default();
        assert_eq!(status.missing(), ["the first scan is not done"]);
        status.scanned();
        assert!(status.missing().is_empty());

        let resource: ResourceName =
            "fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6".parse().unwrap();
        status.set(&resource, Phase::Starting);
        assert_eq!(status.missing(), [format!("{resource}: not registered yet")]);
        status.set(&resource, Phase::Waiting("no kubelet".to_owned()));
        assert_eq!(status.missing(), [format!("{resource}: not registered: no kubelet")]);
        status.set(&resource, Phase::Registered);
        assert!(status.missing().is_empty());
        status.set(&resource, Phase::Starting);
        status.standby(true);
        assert!(status.is_standby() && status.missing().is_empty());
        status.standby(false);
        assert!(!status.missing().is_empty());
        status.remove(&resource);
        assert!(status.missing().is_empty());
    }
}
