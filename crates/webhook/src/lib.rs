//! The admission webhook: pods ask for accelerator functions by names that people can read, and get what
//! their namespace was granted.
//!
//! [`decide`](decide::decide) is a pure function of a review's bytes and the [`Index`](index::Index) of
//! objects; everything else here brings the two together. What is public is the program, and what its tests and
//! fuzz targets use.
#![deny(missing_docs)]

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

mod args;
pub mod certificates;
mod check;
mod config;
mod control;
pub mod decide;
mod declared;
mod follow;
pub mod index;
mod lease;
mod metrics;
mod owner;
mod readiness;
mod review;
mod run;
mod server;
mod status;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;

/// The program: parses the command line, and either checks or sets the log up and runs until a signal.
#[must_use]
pub fn main() -> ExitCode {
    let mut args = args::Args::parse();
    if let Some(args::Command::Check(options)) = args.command.take() {
        return match check::run(&options) {
            Ok(worst) => ExitCode::from(worst.exit_code()),
            Err(error) => {
                complain(&error);
                ExitCode::FAILURE
            }
        };
    }
    args.log.start(&["fpga_webhook"]);
    let config = match config::Config::new(args) {
        Ok(config) => config,
        Err(error) => {
            complain(&error);
            return ExitCode::from(2);
        }
    };
    match run::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// A line on stderr. `eprintln!` would panic where stderr cannot be written, and change the exit code.
fn complain(error: &dyn std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "fpga-webhook: {error}");
}
