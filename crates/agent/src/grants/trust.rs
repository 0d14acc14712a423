//! How long what was granted is believed while the API server says nothing.

use std::time::Duration;

use tokio::time::Instant;

/// After so long an Event says that what is granted may be out of date.
const TELL: Duration = Duration::from_secs(5 * 60);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Say that it has lasted for a while.
    Tell,
    /// Nothing is granted any more.
    Close,
    /// What the objects say is granted again, or is known to be.
    Open,
}

/// What is believed. A pure state machine: times come in.
#[derive(Debug)]
pub(super) struct Trust {
    expire: Option<Duration>,
    lost_since: Option<Instant>,
    is_told: bool,
    is_closed: bool,
}

impl Trust {
    /// The API server is about to be asked.
    pub(super) fn new(expire: Option<Duration>) -> Self {
        Self { expire, lost_since: None, is_told: false, is_closed: false }
    }

    /// True if nothing is to be granted.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The API server says nothing since then, or it answers.
    pub(super) fn is_lost(&mut self, since: Option<Instant>) -> Option<Step> {
        self.lost_since = since;
        if since.is_some() {
            return None;
        }
        let was_said = std::mem::take(&mut self.is_told) | std::mem::take(&mut self.is_closed);
        was_said.then_some(Step::Open)
    }

    /// When [`Trust::due`] is to be called.
    pub(super) fn next_step(&self) -> Option<Instant> {
        [self.tell_at(), self.close_at()].into_iter().flatten().min()
    }

    /// What is to be done now.
    pub(super) fn due(&mut self, now: Instant) -> Option<Step> {
        let has_come = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if has_come(self.close_at()) {
            (self.is_closed, self.is_told) = (true, true);
            return Some(Step::Close);
        }
        if has_come(self.tell_at()) {
            self.is_told = true;
            return Some(Step::Tell);
        }
        None
    }

    fn tell_at(&self) -> Option<Instant> {
        self.lost_since.filter(|_| !self.is_told)?.checked_add(TELL)
    }

    fn close_at(&self) -> Option<Instant> {
        self.lost_since.filter(|_| !self.is_closed)?.checked_add(self.expire?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn what_was_granted_is_kept_and_said_once() {
        let (mut trust, start) = (Trust::new(None), Instant::now());
        assert_eq!((trust.next_step(), trust.due(start)), (None, None));
        assert_eq!(trust.is_lost(Some(start)), None);
        assert_eq!(trust.next_step(), Some(start + TELL));
        assert_eq!(trust.due(start + TELL - MOMENT), None);
        assert_eq!(trust.due(start + TELL), Some(Step::Tell));
        assert_eq!((trust.next_step(), trust.due(start + 1000 * HOUR)), (None, None));
        assert!(!trust.is_closed());
        assert_eq!(trust.is_lost(None), Some(Step::Open));
        assert_eq!(trust.is_lost(None), None);
    }

    #[test]
    fn a_silence_that_is_over_in_time_is_not_spoken_of() {
        let (mut trust, start) = (Trust::new(Some(HOUR)), Instant::now());
        trust.is_lost(Some(start));
        assert_eq!(trust.is_lost(None), None);
        assert_eq!((trust.next_step(), trust.due(start + 2 * HOUR)), (None, None));
    }

    #[test]
    fn what_was_granted_closes_after_its_time_and_opens_with_the_first_answer() {
        let (mut trust, start) = (Trust::new(Some(HOUR)), Instant::now());
        for _ in 0..2 {
            trust.is_lost(Some(start));
            assert_eq!(trust.due(start + TELL), Some(Step::Tell));
            assert_eq!(trust.next_step(), Some(start + HOUR));
            assert_eq!(trust.due(start + HOUR - MOMENT), None);
            assert_eq!(trust.due(start + HOUR), Some(Step::Close));
            assert!(trust.is_closed());
            assert_eq!((trust.next_step(), trust.due(start + 2 * HOUR)), (None, None));
            assert_eq!(trust.is_lost(None), Some(Step::Open));
            assert!(!trust.is_closed());
        }
    }

    #[test]
    fn a_short_time_closes_before_it_is_spoken_of_and_that_once() {
        let (mut trust, start) = (Trust::new(Some(Duration::ZERO)), Instant::now());
        trust.is_lost(Some(start));
        assert_eq!(trust.due(start), Some(Step::Close));
        assert_eq!((trust.next_step(), trust.due(start + HOUR)), (None, None));
        assert_eq!(trust.is_lost(None), Some(Step::Open));
    }
}
