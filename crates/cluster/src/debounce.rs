//! One piece of work for many changes.

use std::time::Duration;

use tokio::time::Instant;

/// Waits until changes pause for `quiet`, but no longer than `patience` after the first: changes that never
/// pause must not put the work off forever.
#[derive(Debug, Clone)]
pub struct Debounce {
    quiet: Duration,
    patience: Duration,
    pending: Option<Pending>,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    due: Instant,
    latest: Instant,
}

impl Debounce {
    /// Nothing has changed yet.
    #[must_use]
    pub fn new(quiet: Duration, patience: Duration) -> Self {
        Self { quiet, patience, pending: None }
    }

    /// Something changed that the work depends on. What it does not depend on must not be reported here.
    pub fn changed(&mut self) {
        let now = Instant::now();
        let latest = self.pending.map_or(now + self.patience, |pending| pending.latest);
        self.pending = Some(Pending { due: latest.min(now + self.quiet), latest });
    }

    /// The work failed: it is due again after `delay`, or sooner if something changes.
    pub fn retry_in(&mut self, delay: Duration) {
        let at = Instant::now() + delay;
        self.pending = Some(Pending { due: at, latest: at });
    }

    /// Waits until there is work and its time has come, and then takes it for done. Nothing is lost when the
    /// future is dropped early.
    pub async fn due(&mut self) {
        match self.pending {
            Some(Pending { due, .. }) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
        self.pending = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_millis(500);
    const PATIENCE: Duration = Duration::from_secs(5);

    /// Reports a change every `interval` until the work is due, and returns after how long that is.
    async fn due_after(interval: Duration) -> Duration {
        let mut debounce = Debounce::new(QUIET, PATIENCE);
        let started = Instant::now();
        debounce.changed();
        let mut changes = tokio::time::interval_at(started + interval, interval);
        loop {
            tokio::select! {
                biased;
                _ = changes.tick() => debounce.changed(),
                () = debounce.due() => return started.elapsed(),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn changes_that_never_pause_are_worked_on_all_the_same() {
        assert_eq!(due_after(Duration::from_millis(10)).await, PATIENCE);
        assert_eq!(due_after(QUIET - Duration::from_millis(1)).await, PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_one_piece_of_work_after_a_pause() {
        assert_eq!(due_after(Duration::from_secs(60)).await, QUIET);
        let mut debounce = Debounce::new(QUIET, PATIENCE);
        let started = Instant::now();
        for _ in 0..3 {
            debounce.changed();
            tokio::time::sleep(QUIET / 2).await;
        }
        debounce.due().await;
        assert_eq!(started.elapsed(), QUIET * 2);
        tokio::time::timeout(PATIENCE * 100, debounce.due()).await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_is_tried_again_later_or_with_the_next_change() {
        let mut debounce = Debounce::new(QUIET, PATIENCE);
        let started = Instant::now();
        debounce.retry_in(PATIENCE * 6);
        tokio::time::timeout(PATIENCE, debounce.due()).await.unwrap_err();
        debounce.due().await;
        assert_eq!(started.elapsed(), PATIENCE * 6);
        debounce.retry_in(PATIENCE * 6);
        debounce.changed();
        debounce.due().await;
        assert_eq!(started.elapsed(), PATIENCE * 6 + QUIET);
    }
}
