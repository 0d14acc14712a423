//! Order statistics of repeated measurements.

use std::time::Duration;

/// Repeated measurements of one thing.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<Duration>);

impl Samples {
    pub(super) fn add(&mut self, sample: Duration) {
        let place = self.0.partition_point(|s| *s < sample);
        self.0.insert(place, sample);
    }

    /// The middle one in milliseconds, the upper of two; 0 of none.
    pub(super) fn median_ms(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e3
    }

    /// The smallest that at most the share `of` of all is below, in milliseconds; 0 of none.
    pub(super) fn quantile_ms(&self, of: f64) -> f64 {
        let below = self.0.len().saturating_sub(1) as f64 * of.clamp(0.0, 1.0);
        // An index of a vector is far below 2^52, and not negative.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let at = below.ceil() as usize;
        self.0.get(at).copied().unwrap_or_default().as_secs_f64() * 1e3
    }

    /// The longest in milliseconds; 0 of none.
    pub(super) fn worst_ms(&self) -> f64 {
        self.0.last().copied().unwrap_or_default().as_secs_f64() * 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_worst_do_not_depend_on_the_order() {
        let mut samples = Samples::default();
        for ms in [5, 1, 9, 3, 7] {
            samples.add(Duration::from_millis(ms));
        }
        assert_eq!((samples.median_ms(), samples.worst_ms()), (5.0, 9.0));
        assert_eq!((samples.quantile_ms(0.5), samples.quantile_ms(0.99)), (5.0, 9.0));
        assert_eq!(Samples::default().quantile_ms(0.99), 0.0);
    }
}
