//! The command line, on the host.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Args, Parser, Subcommand};
use fpga_emulator::machine::Machine;

use crate::cases::{self, Case};
use crate::host::{self, Lab};
use crate::wire::{Program, Task};

/// Runs programs on the real Linux DFL driver, in User Mode Linux with emulated cards
#[derive(Debug, Parser)]
#[command(name = "fpga-lab", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
In the guest the host's files are there, read-only; /run is writable and empty, and the emulator's control socket is
/run/lab/emulator.sock, for `fpga-emulator ctl --socket` and tests of one's own.

Exit codes: 0 everything passed, 1 a case failed or the lab does not work, 2 wrong usage; exec: that of the program.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the suite, or the cases whose name contains one of the words
    Run(Run),
    /// Run a program of the host in a guest
    Exec(Exec),
    /// Boot a guest with a shell
    Shell {
        #[command(flatten)]
        machine: MachineArgs,
        #[command(flatten)]
        lab: LabArgs,
    },
}

#[derive(Debug, Args)]
struct Run {
    /// Words; without any, all cases are run
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// Print the names of the cases and what they are about
    #[arg(long)]
    list: bool,
    /// Guests at a time; by default one for each CPU
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    #[command(flatten)]
    lab: LabArgs,
}

#[derive(Debug, Args)]
struct Exec {
    #[command(flatten)]
    machine: MachineArgs,
    #[command(flatten)]
    lab: LabArgs,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, Args)]
struct MachineArgs {
    /// A shipped machine: `fpga-emulator presets` has their names
    #[arg(long, default_value = "pac-a10", conflicts_with = "machine", value_name = "NAME")]
    preset: String,
    /// A file with a machine description
    #[arg(long, value_name = "FILE")]
    machine: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct LabArgs {
    /// The kernel, as `lab/kernel/build` prints it
    #[arg(long, env = "LAB_KERNEL", value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// Keep each guest's directory with the logs of its kernel and emulator, and say where
    #[arg(long)]
    keep: bool,
}

impl MachineArgs {
    fn text(&self) -> anyhow::Result<String> {
        match &self.machine {
            Some(file) => std::fs::read_to_string(file).with_context(|| file.display().to_string()),
            None => {
                Machine::preset(&self.preset)?;
                Ok(Machine::preset_text(&self.preset).unwrap_or_default().to_owned())
            }
        }
    }
}

impl LabArgs {
    fn open(self) -> anyhow::Result<Lab> {
        let kernel = self.kernel.context("--kernel is required: lab/run builds one")?;
        ensure!(kernel.is_file(), "{}: no such file", kernel.display());
        Lab::new(kernel, self.keep)
    }
}

/// Parses the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("fpga-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(run) => suite(run),
        Command::Exec(Exec { machine, lab, command }) => program(&machine, lab, command, false),
        Command::Shell { machine, lab } => program(&machine, lab, vec!["bash".to_owned()], true),
    }
}

fn suite(run: Run) -> anyhow::Result<ExitCode> {
    let chosen: Vec<&'static Case> = cases::all()
        .filter(|case| run.words.is_empty() || run.words.iter().any(|w| case.name.contains(w)))
        .collect();
    ensure!(!chosen.is_empty(), "no case has one of {:?} in its name: see --list", run.words);
    if run.list {
        for case in chosen {
            println!("{:<26} {}", case.name, case.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let passed = host::suite(&run.lab.open()?, &chosen, run.jobs.unwrap_or(cpus).max(1));
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn program(
    machine: &MachineArgs,
    lab: LabArgs,
    command: Vec<String>,
    interactive: bool,
) -> anyhow::Result<ExitCode> {
    let directory = std::env::current_dir()?;
    let task = Task::Program(Program { command, directory, interactive });
    host::program(&lab.open()?, &machine.text()?, &task).map(ExitCode::from)
}
