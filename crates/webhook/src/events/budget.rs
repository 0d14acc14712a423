//! How many Events there may be: a few at once in each namespace, some more over time, and no repetitions.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Notice;

/// Events of one namespace at once.
const BURST: u32 = 10;
/// One more after this time.
const REFILL: Duration = Duration::from_secs(30);
/// The same of the same object is not repeated before.
const REPETITION: Duration = Duration::from_secs(10 * 60);
/// Namespaces and notices that are remembered; with more the oldest are forgotten together.
const REMEMBERED: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Budget {
    /// What is left of a namespace's budget, and when that was so.
    left: HashMap<String, (u32, Instant)>,
    /// When which notice was given last, by a hash.
    given: HashMap<u64, Instant>,
}

impl Budget {
    /// Whether an Event may be written; if so it counts as written.
    pub(super) fn spend(&mut self, namespace: &str, notice: &Notice, now: Instant) -> bool {
        if self.given.len() >= REMEMBERED {
            self.given.retain(|_, at| now.duration_since(*at) < REPETITION);
        }
        if self.left.len() >= REMEMBERED {
            self.left.retain(|_, (_, at)| now.duration_since(*at) < REFILL * BURST);
        }
        // Whoever makes more namespaces and objects than that at once is not told of them all.
        if self.given.len() >= REMEMBERED || self.left.len() >= REMEMBERED {
            return false;
        }
        let key = hash(namespace, notice);
        if self.given.get(&key).is_some_and(|at| now.duration_since(*at) < REPETITION) {
            return false;
        }
        let (left, at) = self.left.entry(namespace.to_owned()).or_insert((BURST, now));
        let intervals = now.duration_since(*at).as_secs() / REFILL.as_secs();
        if let Ok(more @ 1..) = u32::try_from(intervals) {
            *left = left.saturating_add(more).min(BURST);
            *at = now;
        }
        if *left == 0 {
            return false;
        }
        *left -= 1;
        self.given.insert(key, now);
        true
    }
}

fn hash(namespace: &str, notice: &Notice) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    let Notice { regarding, reason, note, is_warning: _ } = notice;
    (namespace, &regarding.kind, &regarding.name, reason, note).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ObjectReference;

    use super::*;

    fn notice(note: String) -> Notice {
        let regarding = ObjectReference::default();
        Notice { regarding, reason: "Refused", note, is_warning: true }
    }

    #[test]
    fn a_namespace_has_a_burst_and_then_one_at_a_time() {
        let (mut budget, start) = (Budget::default(), Instant::now());
        let mut spend =
            |namespace: &str, n: u32, at| budget.spend(namespace, &notice(n.to_string()), at);
        let given = (0..100).filter(|n| spend("a", *n, start)).count();
        assert_eq!(given, 10);
        assert!(spend("b", 0, start), "another namespace's budget is its own");
        assert!(!spend("a", 100, start + REFILL / 2));
        assert!(spend("a", 100, start + REFILL));
        assert!(!spend("a", 101, start + REFILL));
    }

    #[test]
    fn the_same_is_not_repeated_at_once() {
        let (mut budget, start) = (Budget::default(), Instant::now());
        let same = notice("no".to_owned());
        assert!(budget.spend("a", &same, start));
        assert!(!budget.spend("a", &same, start + REPETITION / 2));
        assert!(budget.spend("a", &same, start + REPETITION));
    }

    #[test]
    fn memory_is_bounded_by_what_is_still_of_use() {
        let (mut budget, start) = (Budget::default(), Instant::now());
        let flood = (0..10_000_u32)
            .filter(|n| budget.spend(&n.to_string(), &notice(n.to_string()), start))
            .count();
        assert_eq!(
            (flood, budget.left.len(), budget.given.len()),
            (REMEMBERED, REMEMBERED, REMEMBERED)
        );
        assert!(budget.spend("later", &notice(String::new()), start + REPETITION));
        assert_eq!(budget.given.len(), 1);
    }
}
