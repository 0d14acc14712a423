//! `fpgactl recover`: takes the driver from a card and gives it back.

use std::fs;
use std::time::Duration;

use clap::Args as ClapArgs;
use fpga::card::{Function, Inventory};
use fpga::id::{AfuId, CardId, PciAddress};
use fpga::program::{self, Method, RecoverOptions, Recovered};
use fpga::root::Root;
use fpga::scan::scan;
use fpga::stack::plugged;
use serde::Serialize;

use super::target::{self, Object};
use crate::output::{self, Form};
use crate::progress::Steps;
use crate::status::Status;
use fpga::duration;

/// Get a card back whose region is disabled, or that has a port without a driver
///
/// After programming has failed the in-tree driver keeps the region disabled until the card's driver is bound again.
/// That is done here. All ports of the card are without function meanwhile and must be unused.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl recover 5e:00.0
  fpgactl recover dfl-port.0 --rescan")]
pub(crate) struct Args {
    /// The card by its PCI address, or anything on it by its name
    #[arg(value_name = "CARD|PORT")]
    card: String,
    /// Remove the card from the PCI bus and scan the bus again, instead of binding its driver again
    #[arg(long)]
    rescan: bool,
    /// Recover even if a port is in use, a container holds a region or virtual functions are enabled. Linux may crash
    /// when the port's user ends
    #[arg(long)]
    force: bool,
    /// How long to wait for others that program the card
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    timeout: Duration,
    /// How long to wait for the card to come back
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::parse)]
    wait: Duration,
    /// Print nothing but warnings and errors
    #[arg(short, long)]
    quiet: bool,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

pub(crate) fn run(args: &Args, root: &Root) -> anyhow::Result<Status> {
    let address = address(root, &scan(root), &args.card)?;
    let options = RecoverOptions {
        method: if args.rescan { Method::Rescan } else { Method::Rebind },
        lock_timeout: args.timeout,
        timeout: args.wait,
        ignore_users: args.force,
    };
    let mut steps = Steps::new(args.quiet);
    let recovered = program::recover(root, address, &options, &mut steps);
    steps.finish();
    let recovered = recovered?;
    output::warn(address, &recovered.warnings);
    if !args.quiet {
        output::form(args.output, &Report::new(address, &recovered), Report::text)?;
    }
    Ok(Status::Sound)
}

/// A card that lost its driver is in no inventory: then its address is taken as it is.
fn address(root: &Root, inventory: &Inventory, name: &str) -> Result<PciAddress, target::Error> {
    // One that lost its driver is meant as well as one that did not.
    let cards = plugged(root).into_iter().map(|card| card.pci.address);
    target::address(name, target::functions(inventory).chain(cards))?;
    let missing = match target::find(root, inventory, name) {
        Ok(Object::Card(card) | Object::Slot(card, _) | Object::Region(card, _)) => {
            let CardId::Pci(address) = card.id;
            return Ok(address);
        }
        Err(error) => error,
    };
    match target::address(name, on_the_bus(root).into_iter())? {
        Some(address) if root.pci_device(address).exists() => Ok(address),
        _ => Err(missing),
    }
}

/// The PCI functions of the machine, with a driver or without.
fn on_the_bus(root: &Root) -> Vec<PciAddress> {
    let entries = fs::read_dir(root.pci_devices()).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The names are those of `-o json`.
#[derive(Serialize)]
struct Report<'a> {
    card: PciAddress,
    #[serde(rename = "ports")]
    slots: Vec<Slot<'a>>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Slot<'a> {
    #[serde(rename = "port")]
    name: &'a str,
    state: &'static str,
    afu_id: Option<AfuId>,
}

impl<'a> Report<'a> {
    fn new(card: PciAddress, recovered: &'a Recovered) -> Self {
        let slot = |(name, function): &'a (String, Function)| Slot {
            name,
            state: function.word(),
            afu_id: function.afu_id(),
        };
        Self {
            card,
            slots: recovered.slots.iter().map(slot).collect(),
            warnings: recovered.warnings.iter().map(ToString::to_string).collect(),
        }
    }

    fn text(&self) -> String {
        let slots = self.slots.iter().map(|slot| {
            let function = slot.afu_id.map_or_else(|| slot.state.to_owned(), output::function);
            format!("{}: {function}\n", slot.name)
        });
        std::iter::once(format!("card {}: recovered\n", self.card)).chain(slots).collect()
    }
}
