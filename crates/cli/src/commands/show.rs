//! `fpgactl show`: everything about the cards, or about one.

use std::fmt::Write as _;

use clap::{Args as ClapArgs, ValueEnum};
use fpga::card::{Card, DeviceNode, Inventory, PciFunction, Region, Slot};
use fpga::catalog;
use fpga::errors::ErrorRegister;
use fpga::id::CardId;
use fpga::names::{Naming, ResourceName};
use fpga::root::{Root, host_node};

mod hex;
mod view;

use super::{conclude, target};
use crate::output;
use crate::status::Status;
use fpga_findings::table::dash;

/// Show cards in detail, with their regions, ports, errors and what is wrong with them
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl show
  fpgactl show 5e:00.0
  fpgactl show dfl-port.0 -o yaml
  fpgactl show -o json | jq '.boards[].fme.errors'")]
pub(crate) struct Args {
    /// Only this one: a card or port, by its PCI address, its device name or the path of its node
    #[arg(value_name = "CARD|PORT|ADDRESS")]
    object: Option<String>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Form {
    /// Text for people
    #[default]
    Table,
    /// The inventory as an object
    Json,
    /// The same in YAML
    Yaml,
}

pub(crate) fn run(args: &Args, root: &Root, mut inventory: Inventory) -> anyhow::Result<Status> {
    if let Some(object) = &args.object
        && !inventory.cards.is_empty()
    {
        select(&mut inventory, object)?;
        if inventory.cards.is_empty() {
            output::complain(format_args!(
                "{object}: no such card or port; `fpgactl list` names those there are"
            ));
            return Ok(Status::Nothing);
        }
    }
    match args.output {
        Form::Table => output::text(&text(&inventory))?,
        Form::Json => output::json(&view::Inventory::new(&inventory))?,
        Form::Yaml => output::yaml(&view::Inventory::new(&inventory))?,
    }
    let has_errors = |card: &Card| {
        !card.errors.is_empty() || card.slots.iter().any(|slot| !slot.errors.is_empty())
    };
    Ok(match conclude(root, &inventory) {
        Status::Sound if inventory.cards.iter().any(has_errors) => Status::Diagnosed,
        status => status,
    })
}

/// Reduces the inventory to the card or port that is meant. The problems of other objects go with them.
fn select(inventory: &mut Inventory, object: &str) -> Result<(), target::Error> {
    let name = object.rsplit('/').next().unwrap_or(object);
    let address = target::address(name, target::functions(inventory))?;
    inventory.problems.clear();
    inventory.cards.retain_mut(|card| {
        if Some(card.id) == address.map(CardId::from) || card.name == name {
            return true;
        }
        card.slots.retain(|slot| address.is_some() && slot.pci == address || slot.name == name);
        !card.slots.is_empty()
    });
    Ok(())
}

fn text(inventory: &Inventory) -> String {
    let cards: Vec<String> = inventory.cards.iter().map(card).collect();
    cards.join("\n")
}

/// A paragraph of `name value` lines below a heading.
struct Section {
    indent: usize,
    text: String,
}

impl Section {
    fn new(indent: usize, heading: &str) -> Self {
        Self { indent: indent + 2, text: format!("{:indent$}{heading}\n", "") }
    }

    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "{:indent$}{name:<14}{value}", "", indent = self.indent);
    }
}

fn card(card: &Card) -> String {
    let mut section = Section::new(0, &format!("card {}", card.id));
    section.line("model", dash(card.model));
    section.line("driver", card.driver);
    if let Some(pci) = &card.pci {
        function(pci, &mut section);
    }
    section.line("management", dash(card.management.as_ref().map(node)));
    section.line("ports", dash(card.slots_num));
    section.line("bitstream id", hex(card.bitstream_id));
    section.line("build data", hex(card.bitstream_metadata));
    section.line("socket", dash(card.socket_id));
    section.line("errors", errors(&card.errors));
    for problem in &card.problems {
        section.line("problem", problem);
    }
    let regions = card.regions.iter().map(region);
    let slots = card.slots.iter().map(|item| slot(card, item));
    std::iter::once(section.text).chain(regions).chain(slots).collect()
}

fn function(pci: &PciFunction, section: &mut Section) {
    section.line(
        "pci ids",
        format_args!(
            "{:04x}:{:04x}, subsystem {:04x}:{:04x}, class {:06x}",
            pci.vendor, pci.device, pci.subsystem_vendor, pci.subsystem_device, pci.class
        ),
    );
    section.line("numa node", dash(pci.numa_node));
    section.line("near cpus", dash(Some(&pci.local_cpus).filter(|cpus| !cpus.is_empty())));
    section.line(
        "virtual",
        format_args!("{} of {} functions enabled", pci.sriov_numvfs, pci.sriov_totalvfs),
    );
}

fn region(region: &Region) -> String {
    let mut section = Section::new(2, &format!("region {}", region.name));
    section.line("interface", dash(region.interface_id));
    section.line("resource", dash(region.interface_id.map(ResourceName::region)));
    section.text
}

fn slot(card: &Card, slot: &Slot) -> String {
    let mut section = Section::new(2, &format!("port {}", slot.name));
    for it in &slot.nodes {
        section.line("node", node(it));
    }
    section.line("number", slot.number);
    let kind = if slot.is_virtual { " (virtual function)" } else { "" };
    section.line("pci function", format_args!("{}{kind}", dash(slot.pci)));
    section.line(
        "region",
        dash(slot.region.and_then(|index| card.regions.get(index)).map(|region| &region.name)),
    );
    section.line("state", slot.function.word());
    if let Some(afu_id) = slot.afu_id() {
        section.line("function", afu_id);
        for entry in catalog::by_id(afu_id) {
            section.line("known as", format_args!("{}: {}", entry.name, entry.description));
        }
        let interface = card.interface_id(slot);
        let name =
            interface.map(|interface| ResourceName::af(Naming::default(), interface, afu_id));
        section.line("resource", dash(name));
    }
    section.line("errors", errors(&slot.errors));
    section.text
}

fn node(node: &DeviceNode) -> String {
    match node.number {
        Some(number) => format!("{} ({number})", host_node(&node.name)),
        None => host_node(&node.name),
    }
}

fn hex(register: Option<u64>) -> String {
    dash(register.map(|value| format!("{value:#x}")))
}

fn errors(registers: &[ErrorRegister]) -> String {
    if registers.is_empty() {
        return "none".to_owned();
    }
    let texts: Vec<_> = registers.iter().map(|it| format!("{}={:#x}", it.name, it.value)).collect();
    texts.join(" ")
}
