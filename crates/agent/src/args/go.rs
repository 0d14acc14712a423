//! Go's spelling of flags. Its `flag` package accepts one dash or two before any name, and manifests
//! written for the Go plugin rely on it.

use std::ffi::OsString;

/// klog's flags other than `-v`, and whether each takes a value. They choose log files and headers,
/// which a container's standard error does not have.
const KLOG: [(&str, bool); 14] = [
    ("add_dir_header", false),
    ("alsologtostderr", false),
    ("alsologtostderrthreshold", true),
    ("legacy_stderr_threshold_behavior", false),
    ("log_backtrace_at", true),
    ("log_dir", true),
    ("log_file", true),
    ("log_file_max_size", true),
    ("logtostderr", false),
    ("one_output", false),
    ("skip_headers", false),
    ("skip_log_headers", false),
    ("stderrthreshold", true),
    ("vmodule", true),
];

/// A command line in GNU spelling.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Normal {
    /// The words for clap.
    pub(super) line: Vec<OsString>,
    /// klog's flags, which were taken out of it.
    pub(super) ignored: Vec<String>,
}

/// Gives the `known` long flags their second dash and takes klog's out. Everything else is left to
/// clap, whose message then has what was typed.
pub(super) fn normalise(line: impl IntoIterator<Item = OsString>, known: &[&str]) -> Normal {
    let mut words = line.into_iter();
    let mut normal = Normal { line: words.next().into_iter().collect(), ignored: Vec::new() };
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        if text == "--" {
            normal.line.push(word);
            break;
        }
        let Some((name, has_value)) = flag(text) else {
            normal.line.push(word);
            continue;
        };
        if let Some((_, takes_value)) = KLOG.iter().find(|(klog, _)| *klog == name) {
            normal.ignored.push(text.to_owned());
            if *takes_value && !has_value {
                words.next();
            }
        } else if !text.starts_with("--") && name.len() > 1 && known.contains(&name) {
            normal.line.push(format!("-{text}").into());
        } else {
            normal.line.push(word);
        }
    }
    normal.line.extend(words);
    normal
}

/// The name of a flag, and whether its value is in the same word.
fn flag(text: &str) -> Option<(&str, bool)> {
    let name = text.strip_prefix("--").or_else(|| text.strip_prefix('-'))?;
    let (name, value) = match name.split_once('=') {
        Some((name, _)) => (name, true),
        None => (name, false),
    };
    (!name.is_empty()).then_some((name, value))
}
