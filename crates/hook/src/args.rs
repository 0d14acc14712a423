//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, ValueEnum};
use fpga::{duration, grants, records, store};

use crate::blank::Blank;
use crate::trees::Trees;

/// The name of the subcommand of `fpgactl`. Runtimes give it to either program as the first word.
pub const NAME: &str = "oci-hook";

/// Program the regions of a container before it starts; clean them after it ended
///
/// Run by a container runtime, with the container's OCI state on standard input. For each pair of
/// variables FPGA_REGION_<n> (an interface id) and FPGA_AFU_<n> (a function, or the hash of an OpenCL
/// image) in the container's environment, one of its FPGA ports is cleaned and gets that function. A
/// container without FPGA devices and such variables is let through. Prints nothing when all went
/// well, and one line for each failure.
#[derive(Debug, ClapArgs)]
#[command(after_help = HELP)]
pub struct Args {
    /// When the runtime runs it
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    pub(crate) stage: Stage,
    /// Which functions each namespace may have programmed
    #[arg(long, value_name = "FILE", default_value = grants::DEFAULT_PATH)]
    pub(crate) grants: PathBuf,
    /// Let every namespace have every function in the store
    #[arg(long, conflicts_with = "grants")]
    pub(crate) allow_any: bool,
    /// Where the bitstreams are
    #[arg(long, value_name = "DIR", default_value = store::DEFAULT_ROOT)]
    pub(crate) store: PathBuf,
    /// How long to wait in all for cards that others program; a programming that began is not cut
    /// short, so the runtime's own timeout should be 10 s longer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
    /// Bitstream that a region gets when its container has ended; one for each interface id
    #[arg(long, value_name = "INTERFACE=AFU")]
    pub(crate) blank: Vec<Blank>,
    /// Where each run leaves its result for fpga-agent's metrics, if that listens there; none leaves none
    #[arg(long, value_name = "DIR", default_value = records::DEFAULT_DIRECTORY)]
    pub(crate) results: PathBuf,
    /// Say what was done, too
    #[arg(long)]
    pub(crate) verbose: bool,
}

/// The lifecycle hooks of the OCI runtime specification that the command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Stage {
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
    pub(crate) fn limit(self, timeout: Duration) -> Duration {
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
pub(crate) struct Alone {
    #[command(flatten)]
    pub(crate) args: Args,
    #[command(flatten)]
    pub(crate) trees: Trees,
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
