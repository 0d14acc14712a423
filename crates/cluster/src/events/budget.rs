//! How many Events there may be: a few at once in each namespace, some more over time, and no repetitions.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Notice;

/// The same about the same object is not repeated before.
const REPETITION: Duration = Duration::from_secs(10 * 60);
/// Namespaces and notices that are remembered; with more the oldest are forgotten together.
const REMEMBERED: usize = 512;

/// How many Events there may be in a namespace.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// One more after this time.
    pub refill: Duration,
}

#[derive(Debug)]
pub(super) struct Budget {
    rate: Rate,
    /// What is left of a namespace's budget, and when that was so.
    left: HashMap<String, (u32, Instant)>,
    /// When which notice was given last, by a hash.
    given: HashMap<u64, Instant>,
}

impl Budget {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, left: HashMap::new(), given: HashMap::new() }
    }

    /// Whether an Event may be written; if so it counts as written.
    pub(super) fn spend(&mut self, notice: &Notice, now: Instant) -> bool {
        let Rate { burst, refill } = self.rate;
        if self.given.len() >= REMEMBERED {
            self.given.retain(|_, at| now.duration_since(*at) < REPETITION);
        }
        if self.left.len() >= REMEMBERED {
            self.left.retain(|_, (_, at)| now.duration_since(*at) < refill * burst);
        }
        // Whoever makes more namespaces and objects than that at once is not notified of them all.
        if self.given.len() >= REMEMBERED || self.left.len() >= REMEMBERED {
            return false;
        }
        let key = hash(notice);
        if self.given.get(&key).is_some_and(|at| now.duration_since(*at) < REPETITION) {
            return false;
        }
        let namespace = notice.regarding.namespace.clone().unwrap_or_default();
        let (left, at) = self.left.entry(namespace).or_insert((burst, now));
        let intervals = now.duration_since(*at).as_nanos() / refill.as_nanos().max(1);
        if intervals > 0 {
            let more = u32::try_from(intervals).unwrap_or(u32::MAX);
            *left = left.saturating_add(more).min(burst);
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

fn hash(notice: &Notice) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    let Notice { regarding, reason, note, is_warning: _ } = notice;
    (&regarding.namespace, &regarding.kind, &regarding.name, reason, note).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ObjectReference;

    use super::*;

    const RATE: Rate = Rate { burst: 10, refill: Duration::from_secs(30) };

    fn notice(namespace: &str, note: u32) -> Notice {
        let namespace = Some(namespace.to_owned());
        let regarding = ObjectReference { namespace, ..ObjectReference::default() };
        Notice { regarding, reason: "Refused", note: note.to_string(), is_warning: true }
    }

    #[test]
    fn a_namespace_has_a_burst_and_then_one_at_a_time() {
        let (mut budget, start) = (Budget::new(RATE), Instant::now());
        let mut spend = |namespace: &str, n: u32, at| budget.spend(&notice(namespace, n), at);
        let given = (0..100).filter(|n| spend("a", *n, start)).count();
        assert_eq!(given, 10);
        assert!(spend("b", 0, start), "another namespace's budget is its own");
        assert!(!spend("a", 100, start + RATE.refill / 2));
        assert!(spend("a", 100, start + RATE.refill));
        assert!(!spend("a", 101, start + RATE.refill));
        let much_later = start + Duration::from_secs(10_000);
        let given = (200..300).filter(|n| spend("a", *n, much_later)).count();
        assert_eq!(given, 10, "it does not grow without end");
    }

    #[test]
    fn what_has_no_namespace_has_a_budget_too() {
        let (mut budget, start) =
            (Budget::new(Rate { burst: 20, refill: Duration::from_secs(60) }), Instant::now());
        let mut spend = |n: u32, seconds| {
            let notice = Notice { regarding: ObjectReference::default(), ..notice("", n) };
            budget.spend(&notice, start + Duration::from_secs(seconds))
        };
        assert_eq!((0..100).filter(|n| spend(*n, 0)).count(), 20);
        assert!(!spend(100, 59));
        assert!(spend(101, 60));
        assert!(!spend(102, 60));
    }

    #[test]
    fn the_same_is_not_repeated_at_once() {
        let (mut budget, start) = (Budget::new(RATE), Instant::now());
        let same = notice("a", 0);
        assert!(budget.spend(&same, start));
        assert!(!budget.spend(&same, start + REPETITION - Duration::from_secs(1)));
        assert!(budget.spend(&same, start + REPETITION));
    }

    #[test]
    fn memory_is_bounded_by_what_is_still_of_use() {
        let (mut budget, start) = (Budget::new(RATE), Instant::now());
        let flood =
            (0..10_000_u32).filter(|n| budget.spend(&notice(&n.to_string(), *n), start)).count();
        assert_eq!(
            (flood, budget.left.len(), budget.given.len()),
            (REMEMBERED, REMEMBERED, REMEMBERED)
        );
        assert!(budget.spend(&notice("later", 0), start + REPETITION));
        assert_eq!(budget.given.len(), 1);
    }
}
