//! `fpga-emulator pci`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use fpga_emulator::pci::{Options, Server};

use super::RunningMachine;

const EXAMPLES: &str = "\
Prints two lines once guests can connect: `ready`, and what the guest's kernel needs on its command line, separated
by spaces. The guest must run without address randomisation, or its user space maps other memory than registers.

Example:
  fpga-emulator pci --preset r740 --socket-dir /tmp/cards | { read ready && read -r arguments &&
    GLIBC_TUNABLES=glibc.pthread.rseq=0 setarch -R ./linux $arguments root=hostfs rootflags=/ ro init=/bin/sh; }
  fpga-emulator ctl --socket /tmp/cards/control.sock temperature near 95";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Directory for the functions' sockets; made if it is not there.
    #[arg(long, value_name = "DIR")]
    socket_dir: PathBuf,
    /// File behind the registers that programs in the guest map; `mmio` in the directory unless given.
    #[arg(long, value_name = "FILE")]
    mmio: Option<PathBuf>,
    /// Socket for ctl; `control.sock` in the directory unless given.
    #[arg(long, value_name = "SOCKET")]
    ctl: Option<PathBuf>,
    /// Put each card at its PCI address, in a kernel from lab/kernel/build; any other uses bus 0.
    #[arg(long)]
    addresses: bool,
    #[command(flatten)]
    machine: RunningMachine,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let machine = arguments.machine.load()?;
    let signals = super::block_signals()?;
    let directory = &arguments.socket_dir;
    let server = Server::start(&Options {
        machine,
        sockets: directory.clone(),
        mmio: arguments.mmio.clone().unwrap_or_else(|| directory.join("mmio")),
        control: arguments.ctl.clone().unwrap_or_else(|| directory.join("control.sock")),
        addresses: arguments.addresses,
    })?;
    let mut out = std::io::stdout();
    writeln!(out, "ready\n{}", server.kernel_arguments().join(" "))
        .and_then(|()| out.flush())
        .context("standard output")?;
    signals.wait().context("waiting for a signal")?;
    drop(server);
    Ok(())
}
