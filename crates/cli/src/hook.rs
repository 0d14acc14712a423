//! `fpga-hook`: what a container runtime runs before a container starts and after it ended.
//!
//! The same as `fpgactl oci-hook`, and nothing else, so that it is small.

// The doc comments of arguments are help texts, in which <...> stands for what is to be filled in.
#![allow(rustdoc::invalid_html_tags)]

use std::process::ExitCode;

mod trees;

/// As in `fpgactl`, whose files these are.
mod commands {
    pub(crate) mod oci_hook;
}

use commands::oci_hook::{self, Code};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    // Runtimes are told to run it with the same words as `fpgactl`.
    words.next_if(|word| word == oci_hook::NAME);
    let code: Code = oci_hook::alone(words);
    code.into()
}
