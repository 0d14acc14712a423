//! `fpga-demo`: the scenario on one machine, without a card, a cluster or root.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fpga_demo::act::{Act, Stage};
use fpga_demo::binaries::Binaries;
use fpga_demo::console::Console;
use tokio::signal::unix::{SignalKind, signal};

/// Run the whole system on this machine: emulated FPGA cards, a stand-in kubelet, the real programs
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  fpga-demo                       all acts on the two-card server r740
  fpga-demo --preset mixed        on a machine with cards of every kind
  fpga-demo --act af --keep       one act, left running until Ctrl-C
  fpga-demo measure               figures of the release binaries

Exit codes:
  0  every step had the result that it must have
  1  a step failed; the reason is on standard error
  2  wrong usage"
)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Machine to emulate: pac-a10 (one card), r740 (two cards) or mixed (cards of every kind)
    #[arg(long, default_value = "r740", value_name = "NAME")]
    preset: String,
    /// Play this act only
    #[arg(long, value_name = "NAME")]
    act: Option<Act>,
    /// Leave everything running at the end of the act until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Take the binaries from DIR instead of building them with cargo
    #[arg(long, value_name = "DIR", global = true)]
    bin_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print figures of the real binaries, one NAME<TAB>VALUE<TAB>UNIT line each (takes over a minute)
    Measure,
    /// The part of `measure` that needs the emulator's ioctls
    #[command(hide = true)]
    MeasureInside { directory: PathBuf, hook: PathBuf, programmer: PathBuf },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let kept = args.keep;
    let console = Console::default();
    // Whatever ends the demo, its programs and files go with it: dropping them kills and removes them.
    let ended = tokio::select! {
        ended = run(args, &console) => ended,
        ended = console.failed() => ended,
        () = interrupted() => if kept { Ok(()) } else { Err(anyhow::anyhow!("interrupted")) },
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // `eprintln!` would panic where stderr cannot be written.
            let _ = writeln!(io::stderr(), "fpga-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args, console: &Console) -> anyhow::Result<()> {
    let Args { command, preset, act, keep, bin_dir } = args;
    if let Some(Command::MeasureInside { directory, hook, programmer }) = command {
        return fpga_demo::measure::inside(&directory, &hook, &programmer);
    }
    let binaries = match bin_dir {
        Some(directory) => Binaries::at(&directory)?,
        None => Binaries::build()?,
    };
    if let Some(Command::Measure) = command {
        return fpga_demo::measure::run(&binaries).await;
    }
    let stage = Stage { console, binaries: &binaries, preset: &preset, keep };
    for act in act.map_or(Act::ALL.to_vec(), |act| vec![act]) {
        console.act(&act.to_string());
        act.play(&stage).await?;
    }
    Ok(())
}

/// Waits for SIGINT or SIGTERM.
async fn interrupted() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
