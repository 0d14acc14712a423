//! Flags about what is done to a region before and after a container has it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use fpga_cluster::optional::OrNone;

use crate::plugin::handout::Programming;

/// What was typed about region mode.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Region mode")]
pub(crate) struct RegionArgs {
    /// Mechanism that has a region programmed before a container starts.
    #[arg(long, default_value = "cdi", value_enum, value_name = "HOW")]
    pub programming: Programming,

    /// Have the hook claim and reset ports in the other modes, too, so that no earlier user keeps one. Requires the
    /// hook on the host. Without this flag, containers get the ports as the last user left them.
    #[arg(long = "claim-ports")]
    pub claim_slots: bool,

    /// Socket of fpga-programmer, which resets ports before they are handed out and cleans what a missing poststop left.
    #[arg(long, default_value = "none", value_name = "FILE")]
    pub programmer_socket: OrNone<PathBuf>,

    /// File that tells the hook what each device is for; used with --programming=hooks.d only.
    #[arg(long, default_value = fpga::uses::DEFAULT_PATH, value_name = "FILE")]
    pub uses_file: PathBuf,

    /// Directory of the CDI specs. They stay when the agent stops, because running pods may need them.
    #[arg(long, default_value = "/var/run/cdi", value_name = "DIR")]
    pub cdi_dir: PathBuf,

    /// Path of the hook's program on the host.
    #[arg(long, default_value = "/opt/intel/fpga-sw/fpga-hook", value_name = "FILE")]
    pub hook_path: PathBuf,

    /// Time for which the hook waits for a card that others are programming.
    #[arg(long, default_value = "30s", value_parser = fpga::duration::parse_interval, value_name = "TIME")]
    pub hook_timeout: Duration,

    /// Directory of the bitstreams, if not the hook's default.
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,

    /// A further argument of the hook, such as --hook-arg=--blank=INTERFACE=AFU; one for each.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub hook_arg: Vec<String>,

    /// File that says which functions each namespace may have programmed, kept in line with the
    /// AcceleratorFunction objects when there is an API server; none leaves it alone.
    #[arg(long, default_value = fpga::grants::DEFAULT_PATH, value_name = "FILE")]
    pub grants_file: OrNone<PathBuf>,

    /// Time without an answer of the API server about AcceleratorFunction objects after which nothing is granted until
    /// it answers again, such as 1h; none keeps what was granted.
    #[arg(long, default_value = "none", value_parser = super::parse_optional, value_name = "TIME")]
    pub grants_expire: OrNone<Duration>,

    /// Let every namespace have every function in the store programmed.
    #[arg(long)]
    pub allow_any: bool,

    /// Directory in which the hook leaves the result of each run, to be counted and removed; none leaves them
    /// uncounted.
    #[arg(long, default_value = fpga::records::DEFAULT_DIRECTORY, value_name = "DIR")]
    pub hook_results: OrNone<PathBuf>,
}
