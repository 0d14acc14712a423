//! The command line.

mod ctl;
mod exec;
mod gbs;
mod install;
mod pci;
mod serve;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use fpga_emulator::machine::Machine;
use nix::sys::signal::{SigSet, Signal};

/// Exit code of a failure of the emulator itself; `exec` otherwise ends with the command's own.
pub(crate) const FAILURE: u8 = 125;

const EXAMPLES: &str = "\
Examples:
  fpga-emulator serve /tmp/r740 --socket /tmp/r740.sock --preset r740
  fpga-emulator exec --socket /tmp/r740.sock --namespace --device dfl-port.0 -- nlb --mode 3
  fpga-emulator ctl --socket /tmp/r740.sock temperature near 95
  fpga-emulator tree /tmp/static --preset mixed

Exit codes: 0 success, 2 wrong usage, 125 failure of the emulator; exec: that of the command.";

/// Emulated FPGA cards: a fake sys and dev tree, and the drivers' ioctls for unmodified programs.
#[derive(Debug, Parser)]
#[command(name = "fpga-emulator", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keep a machine running until SIGTERM or SIGINT.
    Serve(serve::Arguments),
    /// Be the PCI devices of a User Mode Linux guest with the real drivers until SIGTERM or SIGINT.
    Pci(pci::Arguments),
    /// Run a command whose ioctls on the emulated devices are answered.
    Exec(exec::Arguments),
    /// Change the running machine: errors, faults, cards that come and go.
    Ctl(ctl::Arguments),
    /// Write the tree of a machine once, without serving it.
    Tree {
        /// Directory: absent, empty, or an earlier tree.
        root: PathBuf,
        #[command(flatten)]
        machine: MachineArguments,
    },
    /// Write a bitstream file that an emulated card takes.
    Gbs(gbs::Arguments),
    /// Make a root that has only some of the device nodes of another.
    View {
        /// The emulator's tree.
        root: PathBuf,
        /// Directory to make.
        dir: PathBuf,
        /// A node that is to be there; may be repeated.
        #[arg(long = "device", value_name = "NAME")]
        devices: Vec<String>,
    },
    /// Print a shipped machine description, or their names.
    Presets {
        /// Which one.
        name: Option<String>,
    },
    /// Put this program on a node, with a runtime hook that works on the emulated cards, and their bitstreams.
    Install(install::Arguments),
    /// Find out whether `exec --namespace` works here.
    Probe,
}

/// Which machine.
#[derive(Debug, Args)]
struct MachineArguments {
    /// A shipped machine: pac-a10, r740 or mixed.
    #[arg(long, default_value = "pac-a10", conflicts_with = "machine")]
    preset: String,
    /// A file with a machine description.
    #[arg(long, value_name = "FILE")]
    machine: Option<PathBuf>,
}

impl MachineArguments {
    fn load(&self) -> Result<Machine> {
        match &self.machine {
            Some(file) => {
                let text =
                    std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
                Machine::parse(&text).with_context(|| file.display().to_string())
            }
            None => Ok(Machine::preset(&self.preset)?),
        }
    }
}

/// Which machine, and how fast.
#[derive(Debug, Args)]
struct RunningMachine {
    #[command(flatten)]
    machine: MachineArguments,
    /// Time that a reconfiguration takes beyond the transfer, in milliseconds, on all cards.
    #[arg(long, value_name = "MS")]
    pr_ms: Option<u64>,
}

impl RunningMachine {
    fn load(&self) -> Result<Machine> {
        let mut machine = self.machine.load()?;
        if let Some(ms) = self.pr_ms {
            machine.cards.iter_mut().for_each(|c| c.pr_time = Duration::from_millis(ms));
        }
        Ok(machine)
    }
}

/// Blocks the signals that end the emulator, so that all threads inherit it and only a wait for them takes them. To be
/// called before any thread exists.
fn block_signals() -> Result<SigSet> {
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    signals.thread_block().context("blocking signals")?;
    Ok(signals)
}

impl Cli {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Command::Serve(arguments) => serve::run(&arguments),
            Command::Pci(arguments) => pci::run(&arguments),
            Command::Exec(arguments) => exec::run(arguments),
            Command::Gbs(arguments) => gbs::run(arguments),
            Command::Ctl(arguments) => ctl::run(arguments),
            Command::Install(arguments) => install::run(&arguments),
            Command::Tree { root, machine } => {
                Ok(fpga_emulator::tree::create(&machine.load()?, &root)?)
            }
            Command::View { root, dir, devices } => {
                Ok(fpga_emulator::view::create(&root, &dir, &devices)?)
            }
            Command::Presets { name } => presets(name.as_deref()),
            Command::Probe => fpga_emulator::exec::namespace_permitted()
                .context("user and mount namespaces are not permitted"),
        }
    }
}

fn presets(name: Option<&str>) -> Result<()> {
    match name {
        None => print(&Machine::presets().map(|name| format!("{name}\n")).collect::<String>()),
        Some(name) => {
            Machine::preset(name)?;
            print(Machine::preset_text(name).unwrap_or_default())
        }
    }
}

/// Writes to stdout. A reader that has seen enough, such as `head`, is a success.
fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("writing to stdout"),
    }
}
