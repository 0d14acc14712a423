//! `fpgactl port`: hands ports to virtual functions and back.

use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use fpga::card::{Card, Slot};
use fpga::program::{self, Target};
use fpga::root::Root;
use fpga::scan::scan;
use fpga::stack::Management;

use super::target::{self, Error, Object};
use crate::output;
use crate::progress::Steps;
use crate::status::Status;
use fpga::duration;

/// Hand a port to virtual functions, or take it back
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Release(Release),
    Assign(Assign),
}

/// Take a port from the physical function, so that a virtual one can have it
///
/// The port must be unused. Its node goes; `sriov_numvfs` of the card then makes virtual functions with ports of their own.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl port release dfl-port.0
  fpgactl port release 5e:00.0 1")]
struct Release {
    /// The port by its name, or its card by its PCI address
    #[arg(value_name = "PORT|CARD")]
    object: String,
    /// With a card: the number of the port on it
    #[arg(value_name = "NUMBER")]
    number: Option<u32>,
    #[command(flatten)]
    common: Common,
}

/// Give a released port back to the physical function
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl port assign 5e:00.0 0
  fpgactl port assign dfl-fme.0 1")]
struct Assign {
    /// The card by its PCI address, or anything on it by its name
    #[arg(value_name = "CARD")]
    card: String,
    /// The number of the port on it
    #[arg(value_name = "NUMBER")]
    number: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, ClapArgs)]
struct Common {
    /// How long to wait for others that program the card
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    timeout: Duration,
    /// Print nothing but warnings and errors
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(args: &Args, root: &Root) -> anyhow::Result<Status> {
    match &args.verb {
        Verb::Release(args) => release(args, root),
        Verb::Assign(args) => assign(args, root),
    }
}

fn release(args: &Release, root: &Root) -> anyhow::Result<Status> {
    let inventory = scan(root);
    let (card, slot) = match target::find(root, &inventory, &args.object)? {
        Object::Slot(card, slot) if args.number.is_none_or(|number| number == slot.number) => {
            (card, slot)
        }
        Object::Card(card) => (card, numbered(card, args)?),
        Object::Slot(..) | Object::Region(..) => return Err(none(args).into()),
    };
    let target = Target::new(root, card, slot);
    let mut steps = Steps::new(args.common.quiet);
    let released = program::release(&target, args.common.timeout, &mut steps);
    steps.finish();
    released?;
    done(&args.common, &format!("card {}, port {}: released", card.id, slot.number))
}

/// The slot of that number, or the only one.
fn numbered<'a>(card: &'a Card, args: &Release) -> Result<&'a Slot, Error> {
    match (args.number, &card.slots[..]) {
        (Some(number), slots) => {
            slots.iter().find(|slot| slot.number == number).ok_or_else(|| none(args))
        }
        (None, [slot]) => Ok(slot),
        (None, []) => Err(none(args)),
        (None, slots) => Err(Error::Several {
            name: args.object.clone(),
            slots: slots.iter().map(|slot| slot.name.clone()).collect(),
        }),
    }
}

fn none(args: &Release) -> Error {
    let which =
        args.number.map_or_else(|| "that is seen".to_owned(), |n| format!("with number {n}"));
    Error::NoSlot { name: args.object.clone(), which }
}

fn assign(args: &Assign, root: &Root) -> anyhow::Result<Status> {
    let inventory = scan(root);
    let (Object::Card(card) | Object::Slot(card, _) | Object::Region(card, _)) =
        target::find(root, &inventory, &args.card)?;
    let card = Management::new(root, card);
    let mut steps = Steps::new(args.common.quiet);
    let warning = program::assign(root, &card, args.number, args.common.timeout, &mut steps);
    steps.finish();
    output::warn(&card, warning?.as_slice());
    done(&args.common, &format!("card {}, port {}: assigned", card.id, args.number))
}

fn done(args: &Common, text: &str) -> anyhow::Result<Status> {
    if !args.quiet {
        output::text(&format!("{text}\n"))?;
    }
    Ok(Status::Sound)
}
