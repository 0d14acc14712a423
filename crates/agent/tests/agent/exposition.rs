//! A strict reader of Prometheus' text format, and what a linter of it says.
//!
//! The unit tests of the metrics include this file, too.

use std::collections::{BTreeMap, BTreeSet};

/// A metric: everything between one `# HELP` and the next.
#[derive(Debug, Default)]
pub(crate) struct Metric {
    pub(crate) name: String,
    pub(crate) help: String,
    pub(crate) kind: String,
    /// Samples by their name and labels, as they are written.
    pub(crate) samples: BTreeMap<String, f64>,
    /// The names of their labels, without a histogram's own.
    pub(crate) labels: BTreeSet<String>,
}

/// Reads a text, and panics where it is none.
pub(crate) fn parse(text: &str) -> Vec<Metric> {
    assert!(text.ends_with('\n'));
    let mut metrics: Vec<Metric> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            metrics.push(Metric { name: name.into(), help: help.into(), ..Metric::default() });
            continue;
        }
        let metric = metrics.last_mut().unwrap();
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!((name, metric.kind.as_str()), (metric.name.as_str(), ""), "{line}");
            assert!(metric.samples.is_empty(), "{line}");
            metric.kind = kind.to_owned();
            continue;
        }
        sample(metric, line);
    }
    metrics
}

fn sample(metric: &mut Metric, line: &str) {
    let (key, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = match key.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').unwrap()),
        None => (key, ""),
    };
    let suffixes: &[&str] =
        if metric.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
    assert!(suffixes.iter().any(|s| name == format!("{}{s}", metric.name)), "{line}");
    for pair in labels.split("\",").filter(|pair| !pair.is_empty()) {
        let (label, value) = pair.split_once("=\"").unwrap();
        assert!(!value.trim_end_matches('"').contains(['"', '\n']), "{line}");
        if label != "le" {
            metric.labels.insert(label.to_owned());
        }
    }
    let value = if value == "+Inf" { f64::INFINITY } else { value.parse().unwrap() };
    let before = metric.samples.insert(key.to_owned(), value);
    assert_eq!(before, None, "twice: {key}");
}

/// What promtool would complain of.
pub(crate) fn lint(metrics: &[Metric]) {
    let names: BTreeSet<_> = metrics.iter().map(|metric| &metric.name).collect();
    assert_eq!(names.len(), metrics.len(), "a metric is there twice");
    for Metric { name, help, kind, samples, labels } in metrics {
        let is_word = |text: &str| {
            text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        assert!(name.starts_with("kube_fpga_agent_") && is_word(name), "{name}");
        assert!(labels.iter().all(|label| is_word(label)), "{name}: {labels:?}");
        assert!(help.len() > 10 && help.ends_with('.') && !help.ends_with(".."), "{name}: {help}");
        assert!(["counter", "gauge", "histogram"].contains(&kind.as_str()), "{name}: {kind}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}: {kind}");
        assert!(!samples.is_empty(), "{name}");
        for unit in ["milliseconds", "minutes", "fahrenheit", "milliwatts", "kilobytes"] {
            assert!(!name.contains(unit), "{name}: no base unit");
        }
        for (what, unit) in
            [("duration", "_seconds"), ("temperature", "_celsius"), ("card_power", "_watts")]
        {
            assert!(!name.contains(what) || name.ends_with(unit), "{name}: no unit");
        }
        assert!(!["_bucket", "_sum", "_count", "_info_info"].iter().any(|s| name.ends_with(s)));
        assert!(samples.values().all(|value| kind != "counter" || *value >= 0.0));
    }
}
