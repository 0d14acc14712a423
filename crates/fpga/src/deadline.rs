//! The time that a procedure may take in all.

use std::time::{Duration, Instant};

/// When to stop waiting.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// `timeout` from now; never, if no clock can show that time.
    #[must_use]
    pub fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    /// What is left, nothing when it has passed; a time that no clock can show is all the time there is.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.0.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
    }

    /// A fair part of it for the next one of `count` things.
    #[must_use]
    pub fn share(&self, count: usize) -> Duration {
        self.left() / u32::try_from(count.max(1)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_and_is_shared() {
        let deadline = Deadline::after(Duration::from_secs(3600));
        assert!(deadline.left() <= Duration::from_secs(3600));
        assert!(deadline.share(4) <= Duration::from_secs(900));
        assert!(deadline.share(4) > Duration::from_secs(800));
        assert_eq!(Deadline::after(Duration::ZERO).left(), Duration::ZERO);
        assert_eq!(Deadline::after(Duration::MAX).left(), Duration::MAX);
    }
}
