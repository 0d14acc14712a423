//! In place of standard error: a check of what would be written to it.

use std::fmt::Display;
use std::time::Duration;

use super::failure::{self, Code, Failure}; // `lines` looks for the module here.

#[path = "../../../crates/cli/src/commands/oci_hook/report.rs"]
#[allow(dead_code)] // What writes.
mod lines;

/// Longest line, in characters.
const WIDTH: usize = 2000;

#[derive(Default)]
pub(super) struct Report {
    has_failures: bool,
}

impl Report {
    pub(super) fn failure(&mut self, failure: &Failure) {
        check(failure);
        self.has_failures = true;
    }

    pub(super) fn done(&self, what: impl Display) {
        check_line(&what.to_string());
    }

    pub(super) fn worked(&mut self, what: impl Display, _: Option<Duration>) {
        self.done(what);
    }

    pub(super) fn has_failures(&self) -> bool {
        self.has_failures
    }
}

/// What holds for every failure.
pub(super) fn check(failure: &Failure) {
    assert_ne!(failure.code, Code::Done, "{failure:?}");
    check_line(&failure.to_string());
}

/// A line is one line, whatever a tenant's text has in it.
fn check_line(text: &str) {
    let line = lines::one_line(text);
    assert!(!line.is_empty() && line.chars().count() <= WIDTH, "{text:?}");
    assert!(!line.contains(char::is_control), "{text:?}");
}
