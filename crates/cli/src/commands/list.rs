//! `fpgactl list`: one line a port.

use clap::{Args as ClapArgs, ValueEnum};
use fpga::card::{Card, Inventory, Slot};
use fpga::catalog;
use fpga::id::{AfuId, CardId, InterfaceId, PciAddress};
use fpga::root::Root;
use serde::Serialize;

use super::conclude;
use crate::output;
use crate::status::Status;
use fpga_findings::table::{self, dash};

/// List the ports of all cards and what is loaded in them
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl list
  fpgactl list -o wide
  fpgactl list -o json | jq -r '.[] | select(.state == \"loaded\") | .afuId'")]
pub(crate) struct Args {
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Form {
    /// Aligned columns
    #[default]
    Table,
    /// More columns
    Wide,
    /// An array of objects
    Json,
    /// The same in YAML
    Yaml,
}

pub(crate) fn run(args: &Args, root: &Root, inventory: &Inventory) -> anyhow::Result<Status> {
    let rows: Vec<Row<'_>> = inventory.cards.iter().flat_map(rows).collect();
    match args.output {
        Form::Table | Form::Wide if rows.is_empty() => {}
        Form::Table => output::text(&table::aligned(&NARROW, rows.iter().map(Row::narrow)))?,
        Form::Wide => output::text(&table::aligned(&WIDE, rows.iter().map(Row::wide)))?,
        Form::Json => output::json(&rows)?,
        Form::Yaml => output::yaml(&rows)?,
    }
    Ok(conclude(root, inventory))
}

const NARROW: [&str; 7] = ["CARD", "MODEL", "INTERFACE", "PORT", "AFU", "NAME", "STATE"];
const WIDE: [&str; 12] = [
    "CARD",
    "MODEL",
    "INTERFACE",
    "PORT",
    "AFU",
    "NAME",
    "STATE",
    "ID",
    "REGION",
    "FUNCTION",
    "NUMA",
    "DRIVER",
];

/// A slot, or a card none of whose slots is seen. The names are those of `-o json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    card: CardId,
    model: Option<&'static str>,
    driver: &'static str,
    numa_node: Option<u32>,
    #[serde(rename = "port")]
    slot: Option<&'a str>,
    #[serde(rename = "portId")]
    number: Option<u32>,
    pci_function: Option<PciAddress>,
    virtual_function: bool,
    region: Option<&'a str>,
    interface_id: Option<InterfaceId>,
    state: &'static str,
    afu_id: Option<AfuId>,
    afu_names: Vec<&'static str>,
}

fn rows(card: &Card) -> Vec<Row<'_>> {
    if card.slots.is_empty() {
        return vec![Row::new(card, None)];
    }
    card.slots.iter().map(|slot| Row::new(card, Some(slot))).collect()
}

impl<'a> Row<'a> {
    fn new(card: &'a Card, slot: Option<&'a Slot>) -> Self {
        let region = match slot {
            Some(slot) => slot.region.and_then(|index| card.regions.get(index)),
            None => card.regions.first(),
        };
        let afu_id = slot.and_then(Slot::afu_id);
        Self {
            card: card.id,
            model: card.model,
            driver: card.driver.as_str(),
            numa_node: card.numa_node(),
            slot: slot.map(|slot| slot.name.as_str()),
            number: slot.map(|slot| slot.number),
            pci_function: slot.and_then(|slot| slot.pci),
            virtual_function: slot.is_some_and(|slot| slot.is_virtual),
            region: region.map(|region| region.name.as_str()),
            interface_id: region.and_then(|region| region.interface_id),
            state: slot.map_or("no port", |slot| slot.function.word()),
            afu_id,
            afu_names: afu_id
                .into_iter()
                .flat_map(catalog::by_id)
                .map(|entry| entry.name)
                .collect(),
        }
    }

    fn narrow(&self) -> Vec<String> {
        vec![
            self.card.to_string(),
            dash(self.model),
            dash(self.interface_id),
            dash(self.slot),
            dash(self.afu_id),
            dash(Some(self.afu_names.join(",")).filter(|names| !names.is_empty())),
            self.state.to_owned(),
        ]
    }

    fn wide(&self) -> Vec<String> {
        let more = [
            dash(self.number),
            dash(self.region),
            dash(self.pci_function),
            dash(self.numa_node),
            self.driver.to_owned(),
        ];
        self.narrow().into_iter().chain(more).collect()
    }
}
