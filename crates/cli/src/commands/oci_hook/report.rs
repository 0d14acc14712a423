//! What is said on stderr: one line a failure, and with `--verbose` one line a thing done.

use std::fmt::Display;
use std::io::Write as _;

use std::time::Duration;

use super::failure::{Code, Failure};
use super::work::Work;

/// Longest line, in characters. Part of it may be the text of a tenant.
const WIDTH: usize = 2000;
/// As much of a container's id as other tools show.
const SHORT: usize = 12;

/// The lines of one run, and the code it ends with: that of the first failure.
pub(super) struct Report {
    prefix: String,
    is_verbose: bool,
    code: Code,
    /// Ports that something was done to.
    worked: usize,
    programmed: Vec<Duration>,
}

impl Report {
    pub(super) fn new(is_verbose: bool) -> Self {
        Self {
            prefix: "fpgactl oci-hook: ".to_owned(),
            is_verbose,
            code: Code::Done,
            worked: 0,
            programmed: Vec::new(),
        }
    }

    /// Which container the lines from now on are about.
    pub(super) fn about(&mut self, id: &str) {
        let id: String = id.chars().take(SHORT).collect();
        self.prefix = format!("fpgactl oci-hook: container {id}: ");
    }

    pub(super) fn failure(&mut self, failure: &Failure) {
        self.note(failure.code);
        self.line(failure);
    }

    fn note(&mut self, code: Code) {
        if self.code == Code::Done {
            self.code = code;
        }
    }

    pub(super) fn done(&self, what: impl Display) {
        if self.is_verbose {
            self.line(what);
        }
    }

    /// Something was done to a port; the time is how long the driver took to program it, if it was.
    pub(super) fn worked(&mut self, what: impl Display, work: &Work) {
        self.done(what);
        self.worked += usize::from(work.is_news);
        self.programmed.extend(work.programmed);
    }

    /// True when the run was not for nothing.
    pub(super) fn has_news(&self) -> bool {
        self.worked > 0 || self.code != Code::Done
    }

    /// How long the driver took for each region that was programmed.
    pub(super) fn programmed(&self) -> &[Duration] {
        &self.programmed
    }

    pub(super) fn code(&self) -> Code {
        self.code
    }

    /// A runtime that does not read must not stop the hook, so that it cannot be written is ignored.
    fn line(&self, what: impl Display) {
        let line = one_line(&format!("{}{what}", self.prefix)) + "\n";
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// The text as one line of bounded length that does nothing to a terminal.
pub(super) fn one_line(text: &str) -> String {
    text.chars().take(WIDTH).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(one_line("a\nb\x1b[31m\u{9b}c"), "a b [31m c");
        assert_eq!(one_line(&"é".repeat(5000)).chars().count(), WIDTH);
    }

    #[test]
    fn the_first_failure_gives_the_code() {
        let mut report = Report::new(false);
        assert_eq!(report.code(), Code::Done);
        report.note(Code::Busy);
        report.note(Code::Gone);
        assert_eq!(report.code(), Code::Busy);
    }
}
