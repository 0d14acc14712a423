//! What the hook can be told on its command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};
use fpga::id::DeviceId;
use fpga::names::Use;
use fpga::{duration, grants, records, store, uses};

use crate::blank::Blank;
use crate::program::Program;

/// Program a container's regions before it starts, and clean them after it has ended
///
/// Called by a container runtime, with the container's OCI state on standard input. For each pair of variables
/// FPGA_REGION_<n> (an interface id) and FPGA_AFU_<n> (a function, or the hash of an OpenCL image) in the container's
/// environment, n being a number from 1, one of the container's FPGA ports is cleaned and gets that function. Other
/// variables do not matter. A container without FPGA devices and such variables starts as it is. Prints nothing if all
/// went well, else one line for each failure.
#[derive(Debug, ClapArgs)]
#[command(after_help = examples_and_codes(Program::Fpgactl.name()))]
pub struct Args {
    /// Stage of the container's life at which the runtime calls the hook
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    pub(crate) stage: Stage,
    /// File that says which functions each namespace may have programmed
    #[arg(long, value_name = "FILE", default_value = grants::DEFAULT_PATH)]
    pub(crate) grants: PathBuf,
    /// Allow every namespace every function in the store, without a file of grants
    #[arg(long, conflicts_with = "grants")]
    pub(crate) allow_any: bool,
    /// Directory of the bitstreams
    #[arg(long, value_name = "DIR", default_value = store::DEFAULT_ROOT)]
    pub(crate) store: PathBuf,
    /// Longest time to wait, in total, for cards that others are reprogramming; reprogramming that has begun is not
    /// interrupted, so the runtime's own timeout should be 10 s longer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
    /// Function that a region gets after its container has ended; once for each interface id
    #[arg(long, value_name = "INTERFACE=AFU")]
    pub(crate) blank: Vec<Blank>,
    /// Directory for the results of runs, which fpga-agent counts; nothing is written if it does not exist or is `none`
    #[arg(long, value_name = "DIR", default_value = records::DEFAULT_DIRECTORY)]
    pub(crate) results: PathBuf,
    /// Device that the run is for, such as 0000-3b-00-0-slot0; CDI specifications give it
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<DeviceId>,
    /// What the container has that device for: `region` gets the function it was promised, `function` is reset with what
    /// is loaded, `development` is reset and forgotten
    #[arg(long = "use", value_name = "USE", requires = "device", default_value = "region")]
    pub(crate) usage: Use,
    /// File that says what the node's devices are for where no CDI specification does
    #[arg(long, value_name = "FILE", default_value = uses::DEFAULT_PATH)]
    pub(crate) uses: PathBuf,
    /// Also report what was done
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
    /// After the container has ended
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

/// The end of the help of the hook under this name.
pub(crate) fn examples_and_codes(name: &str) -> String {
    let blank = "69528db6eb31577a8c3668f9faa081f6=d8424dc4a4a3c413f89e433683f9040b";
    format!(
        "Examples:\n  {name} < state.json\n  {name} --stage poststop --blank {blank} < state.json\n\n{EXIT_CODES}"
    )
}

const EXIT_CODES: &str = "\
Exit codes:
   0  the regions are as requested, or there was nothing to do
   1  any other failure
   2  the command line is wrong
   3  a device is gone
   5  a card or port was busy until the time was over
   6  there is no usable bitstream, or the card cannot have the user clock that it asks for
   7  reprogramming failed, the user clock could not be set, or a region shows a different function from the one requested
   8  a region has been disabled since reprogramming failed: run `fpgactl recover`
  10  the state, the bundle's config.json or a variable in it is invalid, or variables and devices disagree
  11  a function is not granted to the pod's namespace, or the namespace or its grants are unknown";

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(args: &[&str]) -> Stage {
        Program::Hook.try_parse(args.iter().map(Into::into)).unwrap().0.stage
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
