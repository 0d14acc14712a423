//! `fpgactl watch`: a line for each change.

use std::time::Duration;

use anyhow::Context as _;
use clap::{Args as ClapArgs, ValueEnum};
use fpga::card::Inventory;
use fpga::root::Root;
use fpga::scan::scan;
use fpga::watch::Watcher;

mod change;

use crate::output;
use crate::status::Status;
use change::{Change, changes};
use fpga::duration;

/// Print a line for each change of the cards until interrupted
///
/// Cards, ports and drivers that come and go, functions that are loaded, errors, and what is wrong with a card.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl watch
  fpgactl watch --initial -o json | jq --unbuffered -r 'select(.event == \"function\") | .port'")]
pub(crate) struct Args {
    /// Begin with what is there, as if it had just come
    #[arg(long)]
    initial: bool,
    /// Check again after this time even if the kernel has reported no change: it does not report that errors are latched
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    rescan: Duration,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Form {
    /// Text for people
    #[default]
    Text,
    /// An object a line
    Json,
}

pub(crate) fn run(args: &Args, root: &Root) -> anyhow::Result<Status> {
    // Before the first scan, so that no change falls between.
    let mut watcher = Watcher::new(root).context("watching")?;
    let mut before = if args.initial { Inventory::default() } else { scan(root) };
    loop {
        let now = scan(root);
        for change in changes(&before, &now) {
            print(args.output, &change)?;
        }
        before = now;
        // A pause of zero would never let the processor go.
        let rescan = args.rescan.max(Duration::from_millis(10));
        watcher.wait(Some(rescan)).context("watching")?;
    }
}

fn print(form: Form, change: &Change<'_>) -> anyhow::Result<()> {
    match form {
        Form::Text => output::text(&format!("{change}\n")),
        Form::Json => output::text(&(serde_json::to_string(change)? + "\n")),
    }
}
