//! `fpga-emulator serve`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use fpga_emulator::serve::{Options, Server};

use super::RunningMachine;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Directory for the tree: absent, empty, or an earlier tree. Removed at the end.
    root: PathBuf,
    /// Socket for exec and ctl.
    #[arg(long)]
    socket: PathBuf,
    #[command(flatten)]
    machine: RunningMachine,
    /// Print every answered ioctl to standard error.
    #[arg(long, short)]
    verbose: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let machine = arguments.machine.load()?;
    let signals = super::block_signals()?;
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
