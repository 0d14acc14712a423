//! The books: which devices are in use, as far as that is known.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::kubelet::podresources::Held;

/// How long the kubelet may take to show a device that it was given. A pod that it never shows was refused
/// after all, or was gone before anybody asked.
const GRACE: Duration = Duration::from_secs(120);

/// The devices in use, and those that are not cleaned yet.
#[derive(Debug, Default)]
pub(super) struct Books {
    devices: BTreeMap<Held, State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Given to a container at this time; no pod was seen with it yet.
    Given(Instant),
    /// A pod was seen with it.
    Held,
    /// No pod holds it any more.
    Released {
        /// Whether it has been logged that it cannot be cleaned yet.
        told: bool,
    },
}

impl Books {
    /// The kubelet was given these for a container.
    pub(super) fn given(&mut self, devices: Vec<Held>, now: Instant) {
        self.devices.extend(devices.into_iter().map(|device| (device, State::Given(now))));
    }

    /// The kubelet shows these in pods.
    pub(super) fn listed(&mut self, held: &BTreeSet<Held>, now: Instant) {
        for (device, state) in &mut self.devices {
            *state = match *state {
                _ if held.contains(device) => State::Held,
                State::Given(at) if now.saturating_duration_since(at) < GRACE => State::Given(at),
                State::Given(_) | State::Held => State::Released { told: false },
                released @ State::Released { .. } => released,
            };
        }
        for device in held {
            self.devices.entry(device.clone()).or_insert(State::Held);
        }
    }

    /// The devices to clean.
    pub(super) fn released(&self) -> Vec<Held> {
        let released = |state: &State| matches!(state, State::Released { .. });
        self.devices.iter().filter(|(_, s)| released(s)).map(|(d, _)| d.clone()).collect()
    }

    /// A device cannot be cleaned yet; true the first time.
    pub(super) fn delayed(&mut self, device: &Held) -> bool {
        let first = self.devices.get(device) == Some(&State::Released { told: false });
        if first {
            self.devices.insert(device.clone(), State::Released { told: true });
        }
        first
    }

    /// A device is done with.
    pub(super) fn forget(&mut self, device: &Held) {
        self.devices.remove(device);
    }

    /// Every device in the books.
    pub(super) fn devices(&self) -> impl Iterator<Item = &Held> {
        self.devices.keys()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str) -> Held {
        Held { resource: "fpga.intel.com/region-0".to_owned(), id: id.to_owned() }
    }

    fn held(ids: &[&str]) -> BTreeSet<Held> {
        ids.iter().map(|id| device(id)).collect()
    }

    #[test]
    fn what_a_pod_had_and_none_has_is_released() {
        let (mut books, now) = (Books::default(), Instant::now());
        books.given(vec![device("a")], now);
        books.listed(&held(&["a"]), now);
        assert!(books.released().is_empty());
        books.listed(&held(&[]), now);
        assert_eq!(books.released(), [device("a")]);
        // Until it is cleaned, or given again.
        books.listed(&held(&[]), now);
        assert_eq!(books.released(), [device("a")]);
        books.given(vec![device("a")], now);
        assert!(books.released().is_empty());
        books.forget(&device("a"));
        assert!(books.is_empty());
    }

    #[test]
    fn what_is_in_use_from_before_is_known_by_the_kubelet() {
        let (mut books, now) = (Books::default(), Instant::now());
        books.listed(&held(&["a", "b"]), now);
        assert_eq!(books.devices().count(), 2);
        books.listed(&held(&["b"]), now);
        assert_eq!(books.released(), [device("a")]);
    }

    #[test]
    fn a_pod_that_is_not_shown_yet_has_time() {
        let (mut books, now) = (Books::default(), Instant::now());
        books.given(vec![device("a")], now);
        books.listed(&held(&[]), now + GRACE / 2);
        assert!(books.released().is_empty());
        books.listed(&held(&[]), now + GRACE);
        assert_eq!(books.released(), [device("a")]);
    }

    #[test]
    fn a_delay_is_told_once() {
        let (mut books, now) = (Books::default(), Instant::now());
        books.listed(&held(&["a"]), now);
        assert!(!books.delayed(&device("a")), "it is in use");
        books.listed(&held(&[]), now);
        assert!(books.delayed(&device("a")));
        assert!(!books.delayed(&device("a")));
        assert_eq!(books.released(), [device("a")]);
    }
}
