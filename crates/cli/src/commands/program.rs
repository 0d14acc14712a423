//! `fpgactl program`: loads a function into a region.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;
use fpga::program::{self, Image, Options, Target};
use fpga::root::Root;
use fpga::scan::scan;

mod image;
mod report;

use super::target::SlotArgs;
use crate::args::StoreArgs;
use crate::output::{self, Form};
use crate::progress::Steps;
use crate::status::Status;
use fpga::duration;
use image::Node;
use report::Report;

/// Load a function into a region
///
/// The bitstream must be built for the region's interface and the port must be unused. The card is locked meanwhile;
/// what was loaded is read back. A region that has the function already is left as it is.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl program nlb_mode_3.gbs
  fpgactl program nlb_mode_3 dfl-port.0
  fpgactl program d8424dc4a4a3c413f89e433683f9040b 5e:00.0 --region 1
  fpgactl program ./matrix.aocx dfl-port.0 --dry-run -o json")]
pub(crate) struct Args {
    /// What to load: a file, if there is a slash in it or the extension .gbs or .aocx; else a function in
    /// the store by its AFU id, its hash, or its name as `fpgactl bitstream list` shows it
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    #[command(flatten)]
    slot: SlotArgs,
    /// Program though the port is in use; its users lose what they run
    #[arg(long)]
    force: bool,
    /// Program though the function is loaded already
    #[arg(long)]
    reprogram: bool,
    /// Do everything but the programming itself
    #[arg(long)]
    dry_run: bool,
    /// How long to wait for others that program the card
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    timeout: Duration,
    #[command(flatten)]
    store: StoreArgs,
    /// Print nothing but warnings and errors
    #[arg(short, long)]
    quiet: bool,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

pub(crate) fn run(args: &Args, root: &Root) -> anyhow::Result<Status> {
    let inventory = scan(root);
    let node = Node { root, inventory: &inventory, store: args.store.open() };
    let (bitstream, (card, slot)) = node.choose(&args.image, &args.slot)?;
    let target = Target::new(root, card, slot);
    let payload = bitstream.payload()?;
    let image = Image::new(&bitstream, &payload)?;
    let options = Options {
        function: None,
        lock_timeout: args.timeout,
        // OpenCL images of one board show the same function: that it is shown says nothing.
        reprogram: args.reprogram || bitstream.hash()?.is_some(),
        ignore_users: args.force,
        clean: false,
        dry_run: args.dry_run,
    };
    let mut steps = Steps::new(args.quiet);
    let outcome = program::program(&target, &image, &options, &mut steps);
    steps.finish();
    let outcome = outcome?;
    output::warn(&target, &outcome.warnings);
    if !args.quiet {
        output::form(args.output, &Report::new(&target, &image, &outcome), Report::text)?;
    }
    Ok(Status::Sound)
}
