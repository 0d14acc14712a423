//! The books: which devices are held, as far as that is known. Pure: the time comes in.
//!
//! A device that is listed is held. One that is not listed any more is not free yet: a kubelet that has just started
//! lists nothing until it has learnt which pods there are (`GetActivePods` in pkg/kubelet, whose pods come from the API
//! server), while their containers run on. So absence counts only from a kubelet that has shown any pod at all, and only
//! when a later list confirms it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::kubelet::podresources::{Held, List};

/// How long the kubelet may take to show a device that it was given. A pod that it never shows was refused
/// after all, or was gone before anybody asked.
const GRACE: Duration = Duration::from_secs(120);
/// How much later a second list must be that confirms an absence.
const CONFIRM: Duration = Duration::from_secs(1);
/// For so long after its start a kubelet may still be learning of pods.
const STARTING: Duration = Duration::from_secs(60);
/// [`CONFIRM`] of a kubelet that is starting.
const CONFIRM_STARTING: Duration = Duration::from_secs(30);

/// The devices that are held, and those that are not cleaned yet.
#[derive(Debug, Default)]
pub(super) struct Books {
    devices: BTreeMap<Held, State>,
    kubelet: Kubelet,
    /// A kubelet has answered at least once. Without that nobody would ever say that a device is free.
    answered: bool,
}

/// The kubelet that answers now.
#[derive(Debug, Default)]
struct Kubelet {
    /// When it started; `None` when it was there before.
    started: Option<Instant>,
    /// Whether it has shown any pod.
    shows_pods: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Given to a container at this time; no pod was seen with it yet.
    Given(Instant),
    /// A pod was seen with it.
    Held,
    /// No pod was shown with it any more, for the first time at this time.
    Missing(Instant),
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

    /// The container does not get them after all.
    pub(super) fn taken_back(&mut self, devices: &[Held]) {
        self.devices.retain(|device, state| {
            !(matches!(state, State::Given(_)) && devices.contains(device))
        });
    }

    /// Another kubelet started: what the last one did not show says nothing.
    pub(super) fn kubelet_started(&mut self, now: Instant) {
        self.kubelet = Kubelet { started: Some(now), shows_pods: false };
        for state in self.devices.values_mut() {
            *state = match *state {
                State::Given(at) => State::Given(at.max(now)),
                State::Missing(_) => State::Held,
                other => other,
            };
        }
    }

    /// The kubelet answered.
    pub(super) fn listed(&mut self, list: &List, now: Instant) {
        self.answered = true;
        self.kubelet.shows_pods |= list.has_pods;
        let counts = self.kubelet.shows_pods;
        let confirm = self.confirm();
        for (device, state) in &mut self.devices {
            *state = match *state {
                _ if list.held.contains(device) => State::Held,
                same if !counts => same,
                State::Given(at) if now.saturating_duration_since(at) < GRACE => State::Given(at),
                State::Held => State::Missing(now),
                State::Missing(since) if now.saturating_duration_since(since) < confirm(since) => {
                    State::Missing(since)
                }
                State::Given(_) | State::Missing(_) => State::Released { told: false },
                released @ State::Released { .. } => released,
            };
        }
        for device in &list.held {
            self.devices.entry(device.clone()).or_insert(State::Held);
        }
    }

    /// How long an absence since a time must last.
    fn confirm(&self) -> impl Fn(Instant) -> Duration + use<> {
        let started = self.kubelet.started;
        move |since| match started {
            Some(at) if since.saturating_duration_since(at) < STARTING => CONFIRM_STARTING,
            _ => CONFIRM,
        }
    }

    /// When the next absence can be confirmed.
    pub(super) fn confirmable(&self) -> Option<Instant> {
        let confirm = self.confirm();
        let due = |state: &State| match *state {
            State::Missing(since) => Some(since + confirm(since)),
            _ => None,
        };
        self.devices.values().filter_map(due).min()
    }

    /// True while something is to be learnt that only a later list can tell: a pod is not shown yet, or a device is not
    /// cleaned.
    pub(super) fn is_open(&self) -> bool {
        let open = |state: &State| matches!(state, State::Given(_) | State::Released { .. });
        self.devices.values().any(open)
    }

    /// The kubelet has shown no pod at all since it started, or since the agent did.
    pub(super) fn shows_nothing(&self) -> bool {
        !self.kubelet.shows_pods
    }

    /// A kubelet has answered.
    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }

    /// The devices that somebody holds, or may hold: one that cannot be cleaned yet is still used by somebody.
    pub(super) fn held(&self) -> BTreeSet<Held> {
        let held = |state: &State| !matches!(state, State::Released { told: false });
        self.devices.iter().filter(|(_, state)| held(state)).map(|(d, _)| d.clone()).collect()
    }

    /// The devices to clean.
    pub(super) fn released(&self) -> Vec<Held> {
        let released = |state: &State| matches!(state, State::Released { .. });
        self.devices.iter().filter(|(_, s)| released(s)).map(|(d, _)| d.clone()).collect()
    }

    /// True while nobody was given a released device again.
    pub(super) fn is_released(&self, device: &Held) -> bool {
        matches!(self.devices.get(device), Some(State::Released { .. }))
    }

    /// A device cannot be cleaned yet; true the first time.
    pub(super) fn delayed(&mut self, device: &Held) -> bool {
        let first = self.devices.get(device) == Some(&State::Released { told: false });
        if first {
            self.devices.insert(device.clone(), State::Released { told: true });
        }
        first
    }

    /// A released device is done with.
    pub(super) fn forget(&mut self, device: &Held) {
        if self.is_released(device) {
            self.devices.remove(device);
        }
    }

    /// Every device in the books.
    pub(super) fn devices(&self) -> impl Iterator<Item = &Held> {
        self.devices.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str) -> Held {
        let resource = "fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6".parse().unwrap();
        Held { resource, id: id.to_owned() }
    }

    /// What a kubelet with another pod shows.
    fn list(ids: &[&str]) -> List {
        List { has_pods: true, held: ids.iter().map(|id| device(id)).collect() }
    }

    /// What a kubelet shows that knows of no pod yet.
    fn nothing() -> List {
        List { has_pods: false, held: BTreeSet::new() }
    }

    fn held(books: &Books) -> Vec<String> {
        books.held().into_iter().map(|device| device.id).collect()
    }

    #[test]
    fn what_a_pod_had_and_none_has_is_released_when_a_second_list_confirms_it() {
        let (mut books, now) = (Books::default(), Instant::now());
        books.given(vec![device("a")], now);
        books.listed(&list(&["a"]), now);
        assert!(books.released().is_empty() && books.confirmable().is_none());
        books.listed(&list(&[]), now);
        assert_eq!(
            (held(&books), books.confirmable()),
            (vec!["a".to_owned()], Some(now + CONFIRM))
        );
        books.listed(&list(&[]), now + CONFIRM / 2);
        assert!(books.released().is_empty(), "confirmed too early");
        books.listed(&list(&["a"]), now + CONFIRM);
        books.listed(&list(&[]), now + 2 * CONFIRM);
        assert!(books.released().is_empty(), "it was there again");
        books.listed(&list(&[]), now + 3 * CONFIRM);
        assert_eq!((held(&books), books.released()), (vec![], vec![device("a")]));
        // Until it is cleaned, or given again.
        books.listed(&list(&[]), now + 4 * CONFIRM);
        assert_eq!(books.released(), [device("a")]);
        books.given(vec![device("a")], now + 4 * CONFIRM);
        assert!(books.released().is_empty());
        books.forget(&device("a"));
        assert_eq!(held(&books), ["a"], "what was given again is not forgotten");
    }

    #[test]
    fn what_is_held_from_before_is_known_by_the_kubelet() {
        let (mut books, now) = (Books::default(), Instant::now());
        assert!(!books.is_answered());
        books.listed(&list(&["a", "b"]), now);
        assert!(books.is_answered());
        assert_eq!(held(&books), ["a", "b"]);
        books.listed(&list(&["b"]), now);
        books.listed(&list(&["b"]), now + CONFIRM);
        assert_eq!((held(&books), books.released()), (vec!["b".to_owned()], vec![device("a")]));
    }

    #[test]
    fn a_kubelet_that_shows_no_pod_at_all_releases_nothing() {
        let (mut books, now) = (Books::default(), Instant::now());
        books.listed(&list(&["a"]), now);
        books.kubelet_started(now);
        for seconds in [0, 1, 60, 3600] {
            books.listed(&nothing(), now + Duration::from_secs(seconds));
            assert_eq!(held(&books), ["a"], "after {seconds} s");
        }
        // The last pod of a kubelet that has shown some may go.
        let later = now + Duration::from_secs(7200);
        books.listed(&list(&["a"]), later);
        books.listed(&nothing(), later);
        books.listed(&nothing(), later + CONFIRM);
        assert_eq!(books.released(), [device("a")]);
    }

    #[test]
    fn a_kubelet_that_starts_has_time_to_show_a_pod() {
        let (mut books, now) = (Books::default(), Instant::now());
        books.listed(&list(&["a"]), now);
        books.listed(&list(&[]), now);
        books.kubelet_started(now);
        // It knows of the pods of some source, as of those in files.
        books.listed(&list(&[]), now + CONFIRM);
        books.listed(&list(&[]), now + 3 * CONFIRM);
        assert_eq!(held(&books), ["a"]);
        assert_eq!(books.confirmable(), Some(now + CONFIRM + CONFIRM_STARTING));
        books.listed(&list(&["a"]), now + 5 * CONFIRM);
        assert_eq!((held(&books), books.confirmable()), (vec!["a".to_owned()], None));
        let much_later = now + STARTING;
        books.listed(&list(&[]), much_later);
        books.listed(&list(&[]), much_later + CONFIRM);
        assert_eq!(books.released(), [device("a")]);
    }

    #[test]
    fn a_pod_that_is_not_shown_yet_has_time() {
        let (mut books, now) = (Books::default(), Instant::now());
        books.given(vec![device("a")], now);
        assert!(books.is_open());
        books.listed(&list(&[]), now + GRACE / 2);
        assert!(books.released().is_empty());
        books.kubelet_started(now + GRACE / 2);
        books.listed(&list(&[]), now + GRACE);
        assert!(books.released().is_empty(), "the time of the kubelet's restart counts");
        books.listed(&list(&[]), now + 2 * GRACE);
        assert_eq!(books.released(), [device("a")]);
    }

    #[test]
    fn what_was_refused_after_all_is_not_held() {
        let (mut books, now) = (Books::default(), Instant::now());
        books.listed(&list(&["b"]), now);
        books.given(vec![device("a")], now);
        books.taken_back(&[device("a"), device("b")]);
        assert_eq!(held(&books), ["b"]);
    }

    #[test]
    fn a_delay_is_told_once() {
        let (mut books, now) = (Books::default(), Instant::now());
        books.listed(&list(&["a"]), now);
        assert!(!books.delayed(&device("a")), "it is in use");
        books.listed(&list(&[]), now);
        books.listed(&list(&[]), now + CONFIRM);
        assert!(held(&books).is_empty());
        assert!(books.delayed(&device("a")));
        assert!(!books.delayed(&device("a")));
        assert_eq!((books.released(), held(&books)), (vec![device("a")], vec!["a".to_owned()]));
        books.forget(&device("a"));
        assert_eq!(books.devices().count(), 0);
    }
}
