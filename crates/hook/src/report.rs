//! What is printed on stderr: a line for each failure, and with `--verbose` one for each thing done.

use std::fmt::Display;
use std::io::Write as _;
use std::time::Duration;

use crate::cards::Work;
use crate::failure::{Code, Failure};

/// Longest line, in characters. Part of it may be the text of a tenant.
pub(crate) const WIDTH: usize = 2000;
/// As much of a container's id as other tools show.
const SHORT: usize = 12;

/// The lines of one run, and the code it ends with: that of the first failure.
pub struct Report {
    program: &'static str,
    prefix: String,
    is_verbose: bool,
    /// Takes each line, with its end.
    write: fn(&str),
    first: Option<Failure>,
    /// Ports that something was done to.
    worked: usize,
    programmed: Vec<Duration>,
}

impl Report {
    /// Lines of `program`, those about what was done only when `is_verbose`; `write` takes each with its end.
    #[must_use]
    pub fn new(program: &'static str, is_verbose: bool, write: fn(&str)) -> Self {
        Self {
            program,
            prefix: format!("{program}: "),
            is_verbose,
            write,
            first: None,
            worked: 0,
            programmed: Vec::new(),
        }
    }

    /// Which container the lines from now on are about.
    pub fn about(&mut self, id: &str) {
        let id: String = id.chars().take(SHORT).collect();
        self.prefix = format!("{}: container {id}: ", self.program);
    }

    /// Something failed.
    pub fn failure(&mut self, failure: &Failure) {
        debug_assert_ne!(failure.code, Code::Done, "{failure:?}");
        self.first.get_or_insert_with(|| failure.clone());
        self.line(failure);
    }

    pub(crate) fn done(&self, what: impl Display) {
        if self.is_verbose {
            self.line(what);
        }
    }

    /// A port was seen to.
    pub(crate) fn worked(&mut self, what: impl Display, work: &Work) {
        self.done(what);
        self.worked += usize::from(work.is_news);
        self.programmed.extend(work.programmed);
    }

    /// True when the run was not for nothing.
    pub(crate) fn has_news(&self) -> bool {
        self.worked > 0 || self.first.is_some()
    }

    /// How long the driver took for each region that was programmed.
    #[must_use]
    pub fn programmed(&self) -> &[Duration] {
        &self.programmed
    }

    /// How many ports something was done to.
    #[must_use]
    pub fn touched(&self) -> usize {
        self.worked
    }

    /// What failed first.
    #[must_use]
    pub fn first_failure(&self) -> Option<&Failure> {
        self.first.as_ref()
    }

    pub(crate) fn code(&self) -> Code {
        self.first.as_ref().map_or(Code::Done, |failure| failure.code)
    }

    fn line(&self, what: impl Display) {
        (self.write)(&(one_line(&format!("{}{what}", self.prefix)) + "\n"));
    }
}

/// A runtime that does not read must not stop the hook, so that it cannot be written is ignored.
pub fn to_stderr(line: &str) {
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// The text as one line of bounded length that does nothing to a terminal.
fn one_line(text: &str) -> String {
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
        let mut report = Report::new("fpga-hook", false, |_| {});
        assert_eq!(report.code(), Code::Done);
        report.failure(&Failure::new(Code::Busy, "first"));
        report.failure(&Failure::new(Code::Gone, "second"));
        assert_eq!(report.code(), Code::Busy);
    }
}
