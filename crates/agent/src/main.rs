//! The node agent: tells the kubelet which FPGA functions and regions the node has, and gives them to
//! containers.
//!
//! ```text
//!  sysfs, uevents ─────▶ node ────Snapshot──▶ plugin: manager ─Target─▶ lifecycle ◀────▶ kubelet
//!                        (thread)                │                      (one a resource: socket,
//!  API server ─────────▶ mode ────Mode──────▶    │                       registration, List, Allocate)
//!                                                ▼
//!  kubelet's directory ▶ kubelet ─Seen──────▶  offer (pure)
//! ```
//!
//! [`holdings`] knows which devices pods hold, so that nothing is offered twice. In region mode, three more: [`cdi`]
//! has the specs by which a container runtime gets a region programmed, [`grants`] keeps the file that says which
//! functions each namespace may have programmed, and [`release`] cleans the regions that pods have left.
//!
//! What is decided is pure. Everything else carries values over watch channels, each of which holds the newest
//! value only, so that nobody waits for a slow reader.

use std::process::ExitCode;

use anyhow::Context as _;
use config::{CommandLine, Config, ConfigError};

mod args;
mod cdi;
mod config;
mod grants;
mod holdings;
mod kubelet;
mod lock;
mod metrics;
mod mode;
mod node;
mod node_status;
mod orphans;
mod paths;
mod plugin;
mod programmer;
mod release;
mod results;
mod run;
mod status;

#[cfg(test)]
mod testing;

fn main() -> ExitCode {
    let CommandLine { log, ignored, config } = match CommandLine::parse(std::env::args_os()) {
        Ok(line) => line,
        Err(error) => error.exit(),
    };
    log.start(&["fpga_agent", "fpga"]);
    if !ignored.is_empty() {
        tracing::warn!("flags without effect: {}", ignored.join(" "));
    }
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fpga-agent: {error:#}");
            ExitCode::from(if error.is::<ConfigError>() { 2 } else { 1 })
        }
    }
}

fn serve(config: Result<Config, ConfigError>) -> anyhow::Result<()> {
    let config = config?;
    // One thread serves the kubelet well, and leaves the node's memory to others.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("async runtime")?;
    Ok(runtime.block_on(run::run(config))?)
}
