//! `fpga-agent`: parse, set the log up, run, exit code.

use std::process::ExitCode;

use anyhow::Context as _;
use fpga_agent::args::{Args, Parsed};
use fpga_agent::config::{Config, ConfigError};
use fpga_agent::run;

fn main() -> ExitCode {
    let Parsed { args, ignored } = match Args::parse_line(std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(error) => error.exit(),
    };
    args.log.start(&["fpga_agent", "fpga"]);
    if !ignored.is_empty() {
        tracing::warn!("flags without effect: {}", ignored.join(" "));
    }
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fpga-agent: {error:#}");
            ExitCode::from(if error.is::<ConfigError>() { 2 } else { 1 })
        }
    }
}

fn serve(args: Args) -> anyhow::Result<()> {
    let config = Config::new(args)?;
    // One thread serves the kubelet well, and leaves the node's memory to others.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("async runtime")?;
    Ok(runtime.block_on(run::run(config))?)
}
