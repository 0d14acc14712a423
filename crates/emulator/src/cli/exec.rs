//! `fpga-emulator exec`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use fpga_emulator::ctl::{self, Client};
use fpga_emulator::exec::{Devices, Options, exec};

/// Between two looks for the emulator. Its socket's directory need not exist yet, so there is nothing to watch.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Socket of the emulator.
    #[arg(long)]
    socket: PathBuf,
    /// Show the emulated machine at /sys and /dev, in a namespace of the command's own.
    #[arg(long)]
    namespace: bool,
    /// With --namespace: a node that is to be there; may be repeated. Without any, all are.
    #[arg(long = "device", value_name = "NAME", requires = "namespace")]
    devices: Vec<String>,
    /// With --namespace: no emulated node at all.
    #[arg(long, requires = "namespace", conflicts_with = "devices")]
    no_devices: bool,
    /// Opening an attribute that cannot be read fails with the kernel's error number.
    #[arg(long)]
    attribute_errors: bool,
    /// Wait this many seconds for the emulator to serve.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u32,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(super) fn run(arguments: Arguments) -> Result<()> {
    wait(&arguments.socket, Duration::from_secs(arguments.wait.into()))?;
    let devices = if arguments.devices.is_empty() && !arguments.no_devices {
        Devices::All
    } else {
        Devices::Only(arguments.devices)
    };
    let never = exec(&Options {
        socket: arguments.socket,
        attribute_errors: arguments.attribute_errors,
        namespace: arguments.namespace.then_some(devices),
        command: arguments.command,
    })?;
    match never {}
}

fn wait(socket: &Path, patience: Duration) -> Result<(), ctl::Error> {
    let end = Instant::now() + patience;
    while let Err(error) = Client::connect(socket) {
        if Instant::now() >= end {
            return Err(error);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}
