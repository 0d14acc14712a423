//! `fpga-hook`: what a container runtime runs before a container starts and after it ended.
//!
//! The same as `fpgactl oci-hook`, and nothing else, so that it is small.

use std::process::ExitCode;

use fpga_hook::{NAME, Program, run_alone};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    // The files that runtimes read give both programs the same words.
    words.next_if(|word| word == NAME);
    run_alone(Program::Hook, words).into()
}
