//! `fpgactl program`: loads a function into a region.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;
use fpga::program::{self, For, Image, Options, Target};
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
/// The bitstream must be built for the region's interface, the port must be unused, and no container or claim may hold
/// the region. The card is locked meanwhile; a user clock that the bitstream asks for is set and counted; what was loaded is
/// read back. A region that is known to hold this very
/// image is left as it is: one that was loaded by another tool, or before the driver was bound, is not known.
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
    /// Program even if the port is in use or a container holds the region. Its users lose what they run, and the
    /// container keeps the region with the new function in it
    #[arg(long)]
    force: bool,
    /// Program even if the image is loaded already
    #[arg(long)]
    reprogram: bool,
    /// Do everything but the programming itself
    #[arg(long)]
    dry_run: bool,
    /// How long to wait for others that program the card or are just leaving the region
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
        purpose: if args.force { For::Anybody } else { For::Nobody },
        timeout: args.timeout,
        reprogram: args.reprogram,
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
