//! `fpga-emulator serve`.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use fpga_emulator::serve::{Options, Server};
use nix::sys::signal::{SigSet, Signal};

use super::MachineArguments;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Directory for the tree: absent, empty, or an earlier tree. Removed at the end.
    root: PathBuf,
    /// Socket for exec and ctl.
    #[arg(long)]
    socket: PathBuf,
    #[command(flatten)]
    machine: MachineArguments,
    /// Time that a reconfiguration takes beyond the transfer, in milliseconds, on all cards.
    #[arg(long, value_name = "MS")]
    pr_ms: Option<u64>,
    /// Print every answered ioctl to standard error.
    #[arg(long, short)]
    verbose: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let mut machine = arguments.machine.load()?;
    if let Some(ms) = arguments.pr_ms {
        machine.cards.iter_mut().for_each(|c| c.pr_time = Duration::from_millis(ms));
    }
    // Blocked before any thread exists, so that all inherit it and only `wait` below takes them.
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    signals.thread_block().context("blocking signals")?;
    let server = Server::start(&Options {
        machine,
        root: arguments.root.clone(),
        socket: arguments.socket.clone(),
        verbose: arguments.verbose,
    })?;
    writeln!(std::io::stdout(), "ready").context("standard output")?;
    signals.wait().context("waiting for a signal")?;
    Ok(server.stop()?)
}
