//! How many Events there may be: some at once, a few more over time, and no repetitions.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Notice;

/// At once.
const BURST: u32 = 20;
/// One more after this time.
const REFILL: Duration = Duration::from_secs(60);
/// The same is not told again before.
const REPETITION: Duration = Duration::from_secs(10 * 60);

#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    /// When `left` was last made more, or full.
    since: Instant,
    /// What was told lately: the burst and what was refilled meanwhile, at most.
    told: VecDeque<(Instant, Notice)>,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: BURST, since: now, told: VecDeque::new() }
    }

    /// Whether an Event may be written; if so it counts as written.
    pub(super) fn spend(&mut self, notice: &Notice, now: Instant) -> bool {
        self.told.retain(|(at, _)| now.duration_since(*at) < REPETITION);
        if self.told.iter().any(|(_, told)| told == notice) {
            return false;
        }
        let more = now.duration_since(self.since).as_secs() / REFILL.as_secs();
        if more > 0 {
            self.left = u32::try_from(more).map_or(BURST, |more| more.saturating_add(self.left));
            self.left = self.left.min(BURST);
            self.since = now;
        }
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        self.told.push_back((now, notice.clone()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(number: u32) -> Notice {
        Notice { reason: "FpgaTemperature", note: number.to_string(), is_warning: true }
    }

    #[test]
    fn the_same_is_told_once_in_a_while() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        assert!(budget.spend(&notice(0), start));
        assert!(!budget.spend(&notice(0), start + REPETITION - Duration::from_secs(1)));
        assert!(budget.spend(&notice(0), start + REPETITION));
    }

    #[test]
    fn there_is_a_burst_and_then_one_a_minute() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let mut told =
            |number, seconds| budget.spend(&notice(number), start + Duration::from_secs(seconds));
        let at_once = (0..100).filter(|number| told(*number, 0)).count();
        assert_eq!(at_once, 20);
        assert!(!told(100, 59));
        assert!(told(101, 60));
        assert!(!told(102, 60));
        let later = (200..300).filter(|number| told(*number, 10_000)).count();
        assert_eq!(later, 20, "it does not grow without end");
        assert!(budget.told.len() <= 20);
    }
}
