//! `fpga-webhook`: parse, set the log up, run, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use fpga_webhook::args::Args;
use fpga_webhook::config::Config;
use fpga_webhook::{logging, run};

fn main() -> ExitCode {
    let args = Args::parse();
    logging::start(args.log_format, args.verbosity);
    let config = match Config::new(args) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("fpga-webhook: {error}");
            return ExitCode::from(2);
        }
    };
    match run::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fpga-webhook: {error}");
            ExitCode::FAILURE
        }
    }
}
