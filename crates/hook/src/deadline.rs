//! The time that a run may take.

use std::time::{Duration, Instant};

/// When to stop waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    /// What is left; a time that no clock can show is all the time there is.
    pub(crate) fn left(&self) -> Duration {
        self.0.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
    }

    /// A fair part of it for the next one of `count` things.
    pub(crate) fn share(&self, count: usize) -> Duration {
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
