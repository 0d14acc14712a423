//! `fpgactl doctor`: what is wrong with a node, why, and what to type about it.
//!
//! Each area is looked at by a thread of its own that hands in findings as it makes them. One that does
//! not end in time, because a file system or a peer does not answer, is reported as undetermined with
//! what it had found until then; the others are not held up.

use clap::Args as ClapArgs;

mod agent;
mod areas;
mod cdi;
mod devices;
mod driver;
mod grants;
mod hook;
mod host;
mod http;
mod kubelet;
mod limits;
mod modules;
mod permissions;
mod places;
mod regions;
mod runtime;
mod sockets;
mod spec;
mod store;
mod survey;
mod timed;

use std::sync::Arc;
use std::time::Duration;

use areas::Area;
use places::Places;
use survey::Survey;

use crate::output::{self, Form};
use crate::status::Status;
use fpga::duration;
use fpga_findings::{Finding, Level};
use fpga_hook::Trees;

/// Find out what is wrong with this node, why, and how to repair it
///
/// Looks at the driver, the device nodes, the regions, the kubelet and the agent's sockets, CDI and the runtime's
/// configuration, the hook, the store of bitstreams and the grants. Nothing is changed and no program is run. Run it
/// as root: what it may not look at it cannot judge, and it says so. The admission webhook is checked by
/// `fpga-webhook check`.
#[derive(Debug, ClapArgs)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Look at this area only; may be repeated
    #[arg(long = "area", value_name = "AREA", value_enum)]
    areas: Vec<Area>,
    /// The mode that the node should be in; without it what is found on the node tells
    #[arg(long, value_name = "MODE")]
    mode: Option<fpga::names::Mode>,
    /// How long an area may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration::parse)]
    timeout: Duration,
    #[command(flatten)]
    places: Places,
    /// Print what is wrong and nothing else
    #[arg(short, long)]
    quiet: bool,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

const HELP: &str = "\
Examples:
  fpgactl doctor
  fpgactl doctor -q --area cdi --area runtime
  fpgactl doctor -o json | jq -r '.[] | select(.level == \"error\") | .fix'
  fpgactl --root /host doctor        # in a pod that has the node's file system at /host

Exit codes, by the worst level:
   0  ok: nothing is wrong
   4  error: something does not work
   9  warning: it works, but not for everybody, not safely or not for long
  10  unknown: something could not be determined, and nothing worse was found";

pub(crate) fn run(args: &Args, trees: &Trees) -> anyhow::Result<Status> {
    let survey = Arc::new(Survey::new(args.places.clone(), trees, args.mode, args.timeout));
    let mut findings: Vec<Finding> = areas::look(&args.areas, &survey, args.timeout);
    let worst = fpga_findings::worst(&findings);
    if args.quiet {
        findings.retain(|finding| finding.level != Level::Ok);
    }
    output::form(args.output, &findings, |findings| fpga_findings::report(findings, worst))?;
    Ok(Status::Judged(worst))
}
