//! `fpga-emulator`: emulated FPGA cards on the command line.

mod cli;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            // `eprintln!` would panic where stderr cannot be written.
            let _ = writeln!(io::stderr(), "fpga-emulator: {e:#}");
            ExitCode::from(cli::FAILURE)
        }
    }
}
