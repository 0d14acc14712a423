//! What the demo prints: a numbered title for each step, and the programs' words indented below.

use std::cell::Cell;
use std::path::Path;

/// Prints an act to standard output.
#[derive(Debug, Default)]
pub struct Console {
    step: Cell<u32>,
}

impl Console {
    /// The title of the next step.
    pub fn step(&self, title: &str) {
        self.step.set(self.step.get() + 1);
        println!("\n[{}] {title}", self.step.get());
    }

    /// A command line, as a person would type it: programs by name, not by path.
    pub fn command(&self, program: &Path, arguments: &[String]) {
        let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
        println!("    $ {name} {}", arguments.join(" "));
    }

    /// Words of a program or a table, line by line.
    pub fn text(&self, text: &str) {
        for line in text.lines() {
            println!("    {line}");
        }
    }
}
