//! `fpgactl errors`: error registers in words, and their clearing.

use std::time::Duration;

use clap::Args as ClapArgs;
use fpga::card::{Card, Function, Problem, Slot};
use fpga::errors::{ErrorBit, ErrorRegister};
use fpga::id::CardId;
use fpga::root::Root;
use fpga::scan::scan;
use serde::Serialize;

mod clear;

use super::target::{self, Object};
use super::why_nothing;
use crate::output::{self, Form};
use crate::status::Status;
use fpga::duration;
use fpga_findings::table;

/// Show the errors that cards and ports have latched, in words, or clear them
///
/// Without --clear, errors that are shown end the command with code 4; so do registers that cannot be read.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl errors
  fpgactl errors dfl-port.0 --clear
  fpgactl errors 5e:00.0 -o json | jq -r '.[].errors[].words'")]
pub(crate) struct Args {
    /// Only this one: a card by its PCI address, or a port by its name
    #[arg(value_name = "CARD|PORT")]
    object: Option<String>,
    /// Clear them; ports that have any are reset with their function
    #[arg(long)]
    clear: bool,
    /// Clear even if a port is in use; its users lose what they run
    #[arg(long, requires = "clear")]
    force: bool,
    /// How long to wait for others that program the card
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    timeout: Duration,
    /// Print nothing but warnings and errors
    #[arg(short, long, requires = "clear")]
    quiet: bool,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

pub(crate) fn run(args: &Args, root: &Root) -> anyhow::Result<Status> {
    let inventory = scan(root);
    let places = match &args.object {
        Some(name) => of_object(target::find(root, &inventory, name)?),
        None => inventory.cards.iter().flat_map(of_card).collect(),
    };
    let mut rows: Vec<Row<'_>> = places.iter().flat_map(Place::rows).collect();
    let cleared = args.clear.then(|| clear::run(args, root, &places, &mut rows));
    let mut unread: Vec<String> = places.iter().flat_map(Place::unread).collect();
    if args.object.is_none() {
        unread.extend(inventory.problems.iter().map(ToString::to_string));
    }
    if places.is_empty() {
        unread.push(match &args.object {
            Some(name) => format!("{name}: no port is before it"),
            None => why_nothing(root, &inventory),
        });
    }
    // Of registers that were not read nobody knows that they are without errors.
    let is_known = unread.is_empty();
    if !args.quiet {
        output::form(args.output, &rows, |rows| text(rows, args.clear, is_known))?;
    }
    for reason in &unread {
        output::complain(reason);
    }
    Ok(match cleared {
        _ if places.is_empty() => Status::Nothing,
        Some(status) if status != Status::Sound => status,
        None if !rows.is_empty() => Status::Diagnosed,
        _ if !is_known => Status::Diagnosed,
        _ => Status::Sound,
    })
}

/// Where registers are.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    Card(&'a Card),
    Slot(&'a Card, &'a Slot),
}

fn of_card(card: &Card) -> Vec<Place<'_>> {
    let slots = card.slots.iter().map(|slot| Place::Slot(card, slot));
    std::iter::once(Place::Card(card)).chain(slots).collect()
}

fn of_object(object: Object<'_>) -> Vec<Place<'_>> {
    match object {
        Object::Card(card) => of_card(card),
        Object::Slot(card, slot) => vec![Place::Slot(card, slot)],
        Object::Region(card, index) => {
            let slots = card.slots.iter().filter(|slot| slot.region == Some(index));
            slots.map(|slot| Place::Slot(card, slot)).collect()
        }
    }
}

impl<'a> Place<'a> {
    fn card(&self) -> &'a Card {
        match self {
            Self::Card(card) | Self::Slot(card, _) => card,
        }
    }

    fn device(&self) -> &'a str {
        match self {
            Self::Card(card) => &card.name,
            Self::Slot(_, slot) => &slot.name,
        }
    }

    fn errors(&self) -> &'a [ErrorRegister] {
        match self {
            Self::Card(card) => &card.errors,
            Self::Slot(_, slot) => &slot.errors,
        }
    }

    /// Why not all of its registers are known.
    fn unread(&self) -> Vec<String> {
        let device = self.device();
        let is_about = |problem: &&Problem| problem.object.split('/').next() == Some(device);
        let problems = self.card().problems.iter().filter(is_about).map(ToString::to_string);
        // The registers are the driver's to show.
        let is_driverless =
            matches!(self, Self::Slot(_, slot) if slot.function == Function::Absent);
        let reason = format!("{device}: no driver is bound to the port");
        problems.chain(is_driverless.then_some(reason)).collect()
    }

    fn rows(&self) -> Vec<Row<'a>> {
        self.errors().iter().map(|error| Row::new(self, error)).collect()
    }
}

/// A register that is not zero. The names are those of `-o json`.
#[derive(Serialize)]
struct Row<'a> {
    card: CardId,
    device: &'a str,
    register: &'a str,
    value: String,
    errors: Vec<Bit>,
    /// Absent unless clearing was asked for; the reason when it was not cleared.
    #[serde(skip_serializing_if = "Option::is_none")]
    cleared: Option<Cleared>,
}

#[derive(Serialize)]
struct Bit {
    bit: u32,
    name: Option<&'static str>,
    words: String,
}

/// What became of a register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "reason")]
enum Cleared {
    Yes,
    /// It is read-only and shows what other registers or the card's condition make it show.
    Follows,
    No(String),
}

impl<'a> Row<'a> {
    fn new(place: &Place<'a>, error: &'a ErrorRegister) -> Self {
        let bit = |bit: &ErrorBit| Bit { bit: bit.bit, name: bit.name, words: bit.to_string() };
        Self {
            card: place.card().id,
            device: place.device(),
            register: &error.name,
            value: format!("{:#x}", error.value),
            errors: error.errors.iter().map(bit).collect(),
            cleared: None,
        }
    }

    fn cells(&self) -> Vec<String> {
        let words: Vec<&str> = self.errors.iter().map(|bit| bit.words.as_str()).collect();
        let mut cells = vec![
            self.card.to_string(),
            self.device.to_owned(),
            self.register.to_owned(),
            self.value.clone(),
        ];
        cells.extend(self.cleared.as_ref().map(|cleared| match cleared {
            Cleared::Yes => "yes".to_owned(),
            Cleared::Follows => "read-only".to_owned(),
            Cleared::No(_) => "no".to_owned(),
        }));
        cells.push(table::dash(Some(words.join(", ")).filter(|words| !words.is_empty())));
        cells
    }
}

fn text(rows: &[Row<'_>], is_clear: bool, is_known: bool) -> String {
    if rows.is_empty() {
        return if is_known { "no errors\n".to_owned() } else { String::new() };
    }
    let mut header = vec!["CARD", "DEVICE", "REGISTER", "VALUE", "CLEARED", "MEANING"];
    header.retain(|name| is_clear || *name != "CLEARED");
    table::aligned(&header, rows.iter().map(Row::cells))
}
