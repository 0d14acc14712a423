//! Units of cards that left the bus. Somebody may still hold them, and an operator should see that something is
//! missing, so they stay for a while.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fpga::id::CardId;

use super::health::Reason;
use super::units::{Ailment, Unit};

/// The units that are gone.
#[derive(Debug, Clone)]
pub(crate) struct Vanished {
    keep: Duration,
    /// The units that were there last time.
    last: Vec<Unit>,
    gone: BTreeMap<CardId, Gone>,
}

#[derive(Debug, Clone)]
struct Gone {
    since: Instant,
    units: Vec<Unit>,
}

impl Vanished {
    /// Keeps what is gone for less than `keep`.
    #[must_use]
    pub(crate) fn new(keep: Duration) -> Self {
        Self { keep, last: Vec::new(), gone: BTreeMap::new() }
    }

    /// Adds what is gone to the `units` that are there, and returns when that changes although nothing happens. A
    /// card that is there has what it has: a slot that it no longer shows was taken away, by somebody who may.
    pub(crate) fn add_to(&mut self, units: &mut Vec<Unit>, now: Instant) -> Option<Instant> {
        let is_there = |card: CardId| units.iter().any(|unit| unit.id.card == card);
        for unit in std::mem::replace(&mut self.last, units.clone()) {
            let card = unit.id.card;
            if !is_there(card) {
                let gone = self.gone.entry(card).or_insert(Gone { since: now, units: Vec::new() });
                gone.units.push(unit.vanished());
            }
        }
        let keep = self.keep;
        let until = |gone: &Gone| gone.since.checked_add(keep).filter(|until| *until > now);
        self.gone.retain(|card, gone| !is_there(*card) && until(gone).is_some());
        units.extend(self.gone.values().flat_map(|gone| gone.units.iter().cloned()));
        self.gone.values().filter_map(until).min()
    }
}

impl Unit {
    fn vanished(self) -> Self {
        let words = "the card is gone from the bus, or its driver from it";
        Self { ailment: Some(Ailment::new(Reason::Vanished, words)), ..self }
    }

    /// True when its card is not there any more.
    #[must_use]
    pub(crate) fn is_gone(&self) -> bool {
        self.ailment.as_ref().is_some_and(|ailment| ailment.reason == Reason::Vanished)
    }
}
