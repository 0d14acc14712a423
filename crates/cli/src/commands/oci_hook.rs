//! `fpgactl oci-hook`: what a container runtime runs before a container starts and after it ended.
//!
//! The order of things, when a container is created: what the container is and wants is read
//! ([`state`], [`config`], [`promise`]); its devices are found among the node's ports by number, and
//! each function that it was promised gets a port ([`plan`]); all of them must be granted to its
//! namespace ([`permission`]); only then is a card touched ([`create`]). Afterwards the ports are
//! cleaned for the next container ([`clean`]).

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args as ClapArgs, Parser, ValueEnum};
use fpga::deadline::Deadline;
use fpga::root::Root;
use fpga::store::{self, Store};
use fpga::{grants, records};

use crate::trees::Trees;
use blank::Blank;
use config::Config;
pub(crate) use failure::Code;
use failure::Failure;
use fpga::duration;
use report::Report;
use state::State;

mod annotations;
mod bitstream;
mod blank;
mod clean;
mod config;
mod create;
mod failure;
mod input;
mod object;
mod permission;
mod plan;
mod promise;
mod record;
mod report;
mod state;
mod work;

/// The name of the subcommand.
pub(crate) const NAME: &str = "oci-hook";

/// Stands in every program that holds the hook, so that `fpgactl doctor` can tell its version without
/// running it: the version, in brackets.
#[used]
static MARK: &str = concat!("[kube-fpga hook ", env!("CARGO_PKG_VERSION"), "]");

/// Program the regions of a container before it starts; clean them after it ended
///
/// Run by a container runtime, with the container's OCI state on standard input. For each pair of
/// variables FPGA_REGION_<n> (an interface id) and FPGA_AFU_<n> (a function, or the hash of an OpenCL
/// image) in the container's environment, one of its FPGA ports is cleaned and gets that function. A
/// container without FPGA devices and such variables is let through. Prints nothing when all went
/// well, and one line for each failure.
#[derive(Debug, ClapArgs)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// When the runtime runs it
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    stage: Stage,
    /// Which functions each namespace may have programmed
    #[arg(long, value_name = "FILE", default_value = grants::DEFAULT_PATH)]
    grants: PathBuf,
    /// Let every namespace have every function in the store
    #[arg(long, conflicts_with = "grants")]
    allow_any: bool,
    /// Where the bitstreams are
    #[arg(long, value_name = "DIR", default_value = store::DEFAULT_ROOT)]
    store: PathBuf,
    /// How long to wait in all for cards that others program; a programming that began is not cut
    /// short, so the runtime's own timeout should be 10 s longer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::parse)]
    timeout: Duration,
    /// Bitstream that a region gets when its container has ended; one for each interface id
    #[arg(long, value_name = "INTERFACE=AFU")]
    blank: Vec<Blank>,
    /// Where each run leaves its result for fpga-agent's metrics, if that listens there; none leaves none
    #[arg(long, value_name = "DIR", default_value = records::DEFAULT_DIRECTORY)]
    results: PathBuf,
    /// Say what was done, too
    #[arg(long)]
    verbose: bool,
}

/// The lifecycle hooks of the OCI runtime specification that the command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Stage {
    /// Before the container starts
    #[default]
    #[value(name = "createRuntime", alias = "prestart")]
    CreateRuntime,
    /// After it ended
    #[value(name = "poststop")]
    Poststop,
}

impl Stage {
    /// How long a run may wait in all. containerd gives a container's deletion 10 s, after which it kills the hook,
    /// so that one gives up with time to spare.
    fn limit(self, timeout: Duration) -> Duration {
        match self {
            Self::CreateRuntime => timeout,
            Self::Poststop => timeout.min(Duration::from_secs(8)),
        }
    }
}

const HELP: &str = "\
Examples:
  fpgactl oci-hook < state.json
  fpgactl oci-hook --stage poststop --blank 69528db6eb31577a8c3668f9faa081f6=d8424dc4a4a3c413f89e433683f9040b < state.json

Exit codes:
   0  the regions are as asked, or there was nothing to do
   1  something else failed
   2  the command line is wrong
   3  a device is gone
   5  a card or port is busy, and stayed so until the time was over
   6  there is no usable bitstream
   7  programming failed, or a region shows another function than asked
   8  a region is disabled since a programming that failed: run `fpgactl recover`
  10  the state, the bundle's config.json or a variable in it is wrong, or its variables and devices disagree
  11  a function is not granted to the pod's namespace, or which that is or what it is granted is unknown";

/// The command by itself. A runtime waits for it whenever it starts a container, and to set up all the
/// other subcommands would take longer than to look at a card.
#[derive(Debug, Parser)]
#[command(name = "oci-hook", bin_name = "fpgactl oci-hook", version)]
struct Alone {
    #[command(flatten)]
    args: Args,
    #[command(flatten)]
    trees: Trees,
}

/// Runs the command by itself, with these arguments.
pub(crate) fn alone(arguments: impl IntoIterator<Item = OsString>) -> Code {
    let alone = Alone::parse_from(std::iter::once(NAME.into()).chain(arguments));
    run(&alone.args, &alone.trees.root())
}

/// Does what the runtime asks, and says on stderr what went wrong.
pub(crate) fn run(args: &Args, root: &Root) -> Code {
    let started = Instant::now();
    let mut report = Report::new(args.verbose);
    let hook = Hook {
        root,
        store: Store::new(&args.store),
        deadline: Deadline::after(args.stage.limit(args.timeout)),
        args,
    };
    if let Err(failure) = hook.run(&mut report) {
        report.failure(&failure);
    }
    record::leave(args, &report, started.elapsed());
    report.code()
}

/// What a stage works with.
struct Hook<'a> {
    root: &'a Root,
    store: Store,
    deadline: Deadline,
    args: &'a Args,
}

impl Hook<'_> {
    fn run(&self, report: &mut Report) -> Result<(), Failure> {
        let state = State::read(io::stdin().lock())?;
        report.about(&state.id);
        match self.args.stage {
            Stage::CreateRuntime => {
                create::run(self, &state, &Config::read(&state.bundle()?)?, report)
            }
            Stage::Poststop => clean::run(self, &state, report),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn stage(args: &[&str]) -> Stage {
        Alone::try_parse_from([&[NAME], args].concat()).unwrap().args.stage
    }

    #[test]
    fn the_command_line_is_consistent() {
        Alone::command().debug_assert();
    }

    /// CRI-O's hooks.d of old knows the stage as prestart.
    #[test]
    fn stages_are_spelled_as_the_specification_does() {
        assert_eq!(stage(&[]), Stage::CreateRuntime);
        assert_eq!(stage(&["--stage", "createRuntime"]), Stage::CreateRuntime);
        assert_eq!(stage(&["--stage", "prestart"]), Stage::CreateRuntime);
        assert_eq!(stage(&["--stage", "poststop"]), Stage::Poststop);
    }
}
