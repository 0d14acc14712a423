//! In place of standard error: a check of what would be written to it.

use crate::failure::{Code, Failure};
use crate::program::Program;
use crate::report::{Report, WIDTH};

/// A report whose lines are checked, those of what went well too.
pub(super) fn report() -> Report {
    Report::new(Program::Hook.name(), true, check)
}

/// What holds for every failure.
pub(super) fn check_failure(failure: &Failure) {
    assert_ne!(failure.code, Code::Done, "{failure:?}");
    report().failure(failure);
}

/// A line is one line, whatever a tenant's text has in it.
fn check(line: &str) {
    let text = line.strip_suffix('\n').unwrap_or_default();
    assert!(!text.is_empty() && text.chars().count() <= WIDTH, "{line:?}");
    assert!(!text.contains(char::is_control), "{line:?}");
}
