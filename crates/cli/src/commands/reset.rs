//! `fpgactl reset`: a port and its function as after power-on.

use std::time::Duration;

use clap::Args as ClapArgs;
use fpga::program::{self, SlotOptions, Target};
use fpga::root::Root;
use fpga::scan::scan;

use super::target::{self, SlotArgs};
use crate::output;
use crate::progress::Steps;
use crate::status::Status;
use fpga::duration;

/// Clear a port's errors and reset it with its function
///
/// What is loaded stays loaded and loses its state. The port must be unused.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl reset dfl-port.0
  fpgactl reset 5e:00.0 --region 1 --force")]
pub(crate) struct Args {
    #[command(flatten)]
    slot: SlotArgs,
    /// Reset though the port is in use; its users lose what they run
    #[arg(long)]
    force: bool,
    /// How long to wait for others that program the card
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    timeout: Duration,
    /// Print nothing but warnings and errors
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(args: &Args, root: &Root) -> anyhow::Result<Status> {
    let inventory = scan(root);
    let (card, slot) = target::slot(root, &inventory, &args.slot, None)?;
    let target = Target::new(root, card, slot);
    let options = SlotOptions { lock_timeout: args.timeout, ignore_users: args.force };
    let mut steps = Steps::new(args.quiet);
    let warnings = program::reset(&target, &options, &mut steps);
    steps.finish();
    output::warn(&target, &warnings?);
    if !args.quiet {
        output::text(&format!("{} of card {}: reset\n", target.slot.name, target.card.id))?;
    }
    Ok(Status::Sound)
}
