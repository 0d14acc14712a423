//! `fpga-emulator`: emulated FPGA cards on the command line.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("fpga-emulator: {e:#}");
            ExitCode::from(cli::FAILURE)
        }
    }
}
