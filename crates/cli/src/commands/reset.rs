//! `fpgactl reset`: a port and its function as after power-on.

use std::time::Duration;

use clap::Args as ClapArgs;
use fpga::program::{self, For, SlotOptions, Target};
use fpga::root::Root;
use fpga::scan::scan;

use super::target::{self, SlotArgs};
use crate::output;
use crate::progress::Steps;
use crate::status::Status;
use fpga::duration;

/// Clear a port's errors and reset it with its function
///
/// What is loaded stays loaded and loses its state. The port must be unused, and no container or claim may hold the
/// region.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl reset dfl-port.0
  fpgactl reset 5e:00.0 --region 1 --force")]
pub(crate) struct Args {
    #[command(flatten)]
    slot: SlotArgs,
    /// Reset even if the port is in use or a container holds the region; its users lose what they run
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
    let purpose = if args.force { For::Anybody } else { For::Nobody };
    let options = SlotOptions {
        purpose,
        timeout: args.timeout,
        ignore_users: args.force,
        ..SlotOptions::default()
    };
    let mut steps = Steps::new(args.quiet);
    let cleaned = program::reset(&target, &options, &mut steps);
    steps.finish();
    output::warn(&target, cleaned?.warnings());
    if !args.quiet {
        output::text(&format!("{} of card {}: reset\n", target.slot.name, target.card.id))?;
    }
    Ok(Status::Sound)
}
