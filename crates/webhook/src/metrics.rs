//! What the webhook counts, in the Prometheus text format.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::decide::Outcome;

/// What every name begins with.
const PREFIX: &str = "kube_fpga_webhook";

/// Upper bounds of the latency histogram in seconds.
const SECONDS: [f64; 10] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.1, 1.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Patched => "patched",
        Outcome::Passed => "passed",
        Outcome::Refused => "refused",
        Outcome::BadRequest => "bad_request",
    }
}

/// All counters. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    reviews: Family<OutcomeLabel, Counter>,
    latency: Histogram,
    /// TLS connections that are open.
    pub(crate) connections: Gauge,
    /// Objects that requests are answered from.
    pub(crate) objects: Gauge,
    /// 1 while this replica holds the lease.
    pub(crate) leader: Gauge,
    /// Events that were not written because there were too many.
    pub(crate) events_dropped: Counter,
    /// TLS handshakes that failed.
    pub(crate) handshake_failures: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            reviews: Family::default(),
            latency: Histogram::new(SECONDS),
            connections: Gauge::default(),
            objects: Gauge::default(),
            leader: Gauge::default(),
            events_dropped: Counter::default(),
            handshake_failures: Counter::default(),
        }
    }
}

impl Metrics {
    /// Counts a review: how it ended and how long it took from the last byte of the request on.
    pub(crate) fn reviewed(&self, outcome: Outcome, took: Duration) {
        self.reviews.get_or_create(&OutcomeLabel { outcome: word(outcome) }).inc();
        self.latency.observe(took.as_secs_f64());
    }

    /// Everything in the Prometheus text format.
    ///
    /// # Errors
    /// None in practice: the text is written to memory.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix(PREFIX);
        let r = &mut registry;
        let build = Family::<_, Gauge>::default();
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        r.register("build_info", "1, with the version of the webhook", build);
        r.register("reviews", "Admission reviews by how they ended", self.reviews.clone());
        let help = "Time from the last byte of a review to its answer";
        r.register_with_unit("review_duration", help, Unit::Seconds, self.latency.clone());
        r.register("connections", "Open TLS connections", self.connections.clone());
        let help = "AcceleratorFunction and FpgaRegion objects that reviews are answered from";
        r.register("objects", help, self.objects.clone());
        r.register("leader", "1 while this replica holds the lease", self.leader.clone());
        let help = "Events that were not written because there were too many";
        r.register("events_dropped", help, self.events_dropped.clone());
        let help = "TLS handshakes that failed";
        r.register("tls_handshake_failures", help, self.handshake_failures.clone());
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use fpga_demo::exposition;

    use super::*;

    const OUTCOMES: [Outcome; 4] =
        [Outcome::Patched, Outcome::Passed, Outcome::Refused, Outcome::BadRequest];

    fn eventful() -> Metrics {
        let metrics = Metrics::default();
        for outcome in OUTCOMES {
            metrics.reviewed(outcome, Duration::from_micros(80));
        }
        metrics.leader.set(1);
        metrics
    }

    #[test]
    fn every_counter_is_in_the_text() {
        let text = eventful().text().unwrap();
        exposition::lint(&exposition::parse(&text), PREFIX);
        for line in [
            concat!("kube_fpga_webhook_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "kube_fpga_webhook_reviews_total{outcome=\"bad_request\"} 1",
            "kube_fpga_webhook_review_duration_seconds_bucket{le=\"0.0001\"} 4",
            "kube_fpga_webhook_leader 1",
            "kube_fpga_webhook_events_dropped_total 0",
            "kube_fpga_webhook_tls_handshake_failures_total 0",
        ] {
            assert!(text.lines().any(|l| l == line), "no {line} in:\n{text}");
        }
    }

    /// The reference is made of what is shown.
    #[test]
    fn the_reference_is_up_to_date() {
        let metrics = exposition::parse(&eventful().text().unwrap());
        let outcomes = OUTCOMES.map(|outcome| format!("`{}`", word(outcome))).join(", ");
        let outcomes = format!("An `outcome` is one of {outcomes}.");
        let expected = format!("{}\n{outcomes}\n", exposition::table(&metrics));
        exposition::compare_with_reference("fpga-webhook", &expected);
    }
}
