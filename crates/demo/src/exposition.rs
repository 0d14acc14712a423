//! A strict reader of Prometheus' text format for the tests of those who write it, what a linter would say of
//! it, and the table of the reference in `docs/metrics.md`.
//!
//! Its functions panic where the text is wrong, as assertions do.
#![expect(clippy::unwrap_used)] // A panic is the failure report of the test that calls.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// A metric: everything between one `# HELP` and the next.
#[derive(Debug, Default)]
pub struct Metric {
    /// Its name, as in `# HELP`.
    pub name: String,
    /// What it is, in a sentence.
    pub help: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// Samples by their name and labels, as they are written.
    pub samples: BTreeMap<String, f64>,
    /// The names of their labels, without a histogram's own.
    pub labels: BTreeSet<String>,
}

/// Reads a text.
///
/// # Panics
/// Where it is none.
#[must_use]
pub fn parse(text: &str) -> Vec<Metric> {
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

/// Looks for what promtool would complain of, in the metrics of a program whose names begin with `prefix`.
///
/// # Panics
/// At the first complaint.
pub fn lint(metrics: &[Metric], prefix: &str) {
    let names: BTreeSet<_> = metrics.iter().map(|metric| &metric.name).collect();
    assert_eq!(names.len(), metrics.len(), "a metric is there twice");
    for Metric { name, help, kind, samples, labels } in metrics {
        let is_word = |text: &str| {
            text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        assert!(name.starts_with(prefix) && is_word(name), "{name}");
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

/// A row for each metric, in Markdown.
#[must_use]
pub fn table(metrics: &[Metric]) -> String {
    let mut table = "| metric | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for Metric { name, kind, labels, help, .. } in metrics {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "-".to_owned() } else { labels.join(", ") };
        let _ = writeln!(table, "| `{name}` | {kind} | {labels} | {help} |");
    }
    table
}

/// Compares `expected` with the part of `docs/metrics.md` that is generated for `program`; with `UPDATE_GENERATED` in
/// the environment it writes it.
///
/// # Panics
/// If they differ, or the page has no such part.
pub fn compare_with_reference(program: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- generated: {program} -->\n"), "<!-- end -->\n");
    let (head, rest) = text.split_once(&begin).unwrap();
    let (_, tail) = rest.split_once(end).unwrap();
    let expected = format!("{head}{begin}{expected}{end}{tail}");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, expected).unwrap();
        return;
    }
    let path = path.display();
    assert!(text == expected, "{path}: run UPDATE_GENERATED=1 cargo test -p {program}");
}
