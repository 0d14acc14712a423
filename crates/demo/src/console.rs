//! What the demo prints: a numbered title for each step, and below it, indented, explanations and the programs' output.

use std::cell::{Cell, RefCell};
use std::fmt::Arguments;
use std::io::{self, Write as _};
use std::path::Path;

use tokio::sync::Notify;

/// Prints acts to standard output.
#[derive(Debug, Default)]
pub struct Console {
    step: Cell<u32>,
    failure: RefCell<Option<io::Error>>,
    failed: Notify,
}

impl Console {
    /// The title of an act, whose steps are numbered from 1.
    pub fn act(&self, title: &str) {
        self.step.set(0);
        self.line(format_args!("== act {title} =="));
    }

    /// The title of the next step.
    pub fn step(&self, title: &str) {
        self.step.set(self.step.get() + 1);
        self.line(format_args!("\n[{}] {title}", self.step.get()));
    }

    /// A command line, as a person would type it: programs by name, not by path.
    pub fn command(&self, program: &Path, arguments: &[String]) {
        let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
        self.line(format_args!("    $ {name} {}", arguments.join(" ")));
    }

    /// An explanation, line by line, marked as a comment in a shell.
    pub fn note(&self, text: &str) {
        for line in text.lines() {
            self.line(format_args!("    # {line}"));
        }
    }

    /// Output of a program or a table, line by line.
    pub fn text(&self, text: &str) {
        for line in text.lines() {
            self.line(format_args!("    {line}"));
        }
    }

    /// Waits until standard output cannot be written, which may be never.
    ///
    /// A reader that has seen enough, such as `head`, is a success.
    ///
    /// # Errors
    /// What kept the output from being written.
    pub async fn failed(&self) -> anyhow::Result<()> {
        self.failed.notified().await;
        match self.failure.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(anyhow::Error::new(error).context("cannot write to standard output"))
            }
            _ => Ok(()),
        }
    }

    fn line(&self, line: Arguments<'_>) {
        if let Err(error) = writeln!(io::stdout(), "{line}") {
            self.failure.replace(Some(error));
            self.failed.notify_one();
        }
    }
}
