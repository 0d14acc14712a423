//! Which of the slots that read as busy stay so: the kernel answers the same while a region is being
//! programmed and after programming failed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fpga::card::{Card, Function, Inventory, Slot};
use fpga::program::is_programming;
use fpga::root::Root;

/// How long a slot must be seen busy without being programmed to be taken for disabled: programming may
/// end between the two checks.
const GRACE: Duration = Duration::from_millis(500);
/// The longest time between two checks of a region that is being programmed, in case its end goes unseen.
const SLOWEST: Duration = Duration::from_secs(30);

/// The busy slots by name.
#[derive(Debug, Default)]
pub(super) struct Busy {
    slots: BTreeMap<String, State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Being programmed, or so it seems, since.
    Programming(Instant),
    /// Not being programmed, since.
    Suspect(Instant),
    /// Out of use until the driver is bound again.
    Disabled,
}

impl Busy {
    /// Takes a scan in.
    pub(super) fn look(&mut self, root: &Root, inventory: &Inventory, now: Instant) {
        let cards = inventory.cards.iter().filter(|card| busy_slots(card).next().is_some());
        let seen = cards.flat_map(|card| {
            let programming = is_programming(root, card);
            busy_slots(card).map(move |slot| (slot.name.as_str(), programming))
        });
        self.take_in(seen.collect(), now);
    }

    /// The busy slots, and whether their card is being programmed.
    fn take_in(&mut self, seen: BTreeMap<&str, bool>, now: Instant) {
        self.slots.retain(|slot, _| seen.contains_key(slot.as_str()));
        for (slot, programming) in seen {
            let before = self.slots.get(slot).copied();
            let state = match (before, programming) {
                // Another region of the card may be what is programmed.
                (Some(State::Disabled), _) => State::Disabled,
                (Some(State::Programming(since)), true) => State::Programming(since),
                (_, true) => State::Programming(now),
                (Some(State::Suspect(since)), false) if now - since >= GRACE => State::Disabled,
                (Some(State::Suspect(since)), false) => State::Suspect(since),
                (_, false) => State::Suspect(now),
            };
            self.slots.insert(slot.to_owned(), state);
        }
    }

    /// The slots that stay busy.
    pub(super) fn disabled(&self) -> BTreeSet<String> {
        let disabled = self.slots.iter().filter(|(_, state)| **state == State::Disabled);
        disabled.map(|(slot, _)| slot.clone()).collect()
    }

    /// When to check again even if nothing is reported; `None` when everything is decided. The longer
    /// programming takes, the less often.
    pub(super) fn look_again(&self) -> Option<Duration> {
        let wait = |state: &State| match state {
            State::Programming(since) => Some(since.elapsed().clamp(GRACE, SLOWEST)),
            State::Suspect(_) => Some(GRACE),
            State::Disabled => None,
        };
        self.slots.values().filter_map(wait).min()
    }
}

/// The slots whose function cannot be told right now. One that is unreadable for another reason than being
/// busy is out of use as well: nobody could say what a container gets.
fn busy_slots(card: &Card) -> impl Iterator<Item = &Slot> {
    let unknown = |f: &Function| matches!(f, Function::Busy | Function::Unreadable);
    card.slots.iter().filter(move |slot| unknown(&slot.function))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: &str = "dfl-port.0";

    fn look(busy: &mut Busy, seen: &[(&str, bool)], now: Instant) -> Vec<String> {
        busy.take_in(seen.iter().copied().collect(), now);
        busy.disabled().into_iter().collect()
    }

    #[test]
    fn a_region_that_is_being_programmed_is_not_disabled_however_long_it_takes() {
        let (mut busy, start) = (Busy::default(), Instant::now());
        for seconds in 0..60 {
            let now = start + Duration::from_secs(seconds);
            assert!(look(&mut busy, &[(PORT, true)], now).is_empty());
            assert!(busy.look_again().is_some());
        }
        assert!(look(&mut busy, &[], start).is_empty());
        assert_eq!(busy.look_again(), None);
    }

    #[test]
    fn one_that_stays_busy_without_being_programmed_is() {
        let (mut busy, start) = (Busy::default(), Instant::now());
        assert!(look(&mut busy, &[(PORT, true)], start).is_empty());
        assert!(look(&mut busy, &[(PORT, false)], start).is_empty());
        assert!(look(&mut busy, &[(PORT, false)], start + GRACE / 2).is_empty());
        assert_eq!(busy.look_again(), Some(GRACE));
        assert_eq!(look(&mut busy, &[(PORT, false)], start + GRACE), [PORT]);
        assert_eq!(busy.look_again(), None);
        // Programming its neighbour does not cure it.
        assert_eq!(look(&mut busy, &[(PORT, true), ("dfl-port.1", true)], start + GRACE), [PORT]);
        assert!(look(&mut busy, &[("dfl-port.1", true)], start + GRACE).is_empty());
    }

    #[test]
    fn a_programming_that_ends_between_the_looks_leaves_no_suspicion() {
        let (mut busy, start) = (Busy::default(), Instant::now());
        assert!(look(&mut busy, &[(PORT, false)], start).is_empty());
        assert!(look(&mut busy, &[], start + GRACE).is_empty());
        assert!(look(&mut busy, &[(PORT, false)], start + 2 * GRACE).is_empty());
    }
}
