//! `fpgactl list`: one line a port.

use clap::{Args as ClapArgs, ValueEnum};
use fpga::board::{Board, Inventory, Port};
use fpga::catalog;
use fpga::id::{AfuId, InterfaceId, PciAddress};
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
    let rows: Vec<Row<'_>> = inventory.boards.iter().flat_map(rows).collect();
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

/// A port, or a card none of whose ports is seen. The names are those of `-o json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    card: PciAddress,
    model: Option<&'static str>,
    driver: &'static str,
    numa_node: Option<u32>,
    port: Option<&'a str>,
    port_id: Option<u32>,
    pci_function: Option<PciAddress>,
    virtual_function: bool,
    region: Option<&'a str>,
    interface_id: Option<InterfaceId>,
    state: &'static str,
    afu_id: Option<AfuId>,
    afu_names: Vec<&'static str>,
}

fn rows(board: &Board) -> Vec<Row<'_>> {
    if board.ports.is_empty() {
        return vec![Row::new(board, None)];
    }
    board.ports.iter().map(|port| Row::new(board, Some(port))).collect()
}

impl<'a> Row<'a> {
    fn new(board: &'a Board, port: Option<&'a Port>) -> Self {
        let region = match port {
            Some(port) => port.region.and_then(|index| board.regions.get(index)),
            None => board.regions.first(),
        };
        let afu_id = port.and_then(Port::afu_id);
        Self {
            card: board.pci.address,
            model: board.model,
            driver: board.driver.as_str(),
            numa_node: board.pci.numa_node,
            port: port.map(|port| port.node.name.as_str()),
            port_id: port.map(|port| port.id),
            pci_function: port.map(|port| port.pci),
            virtual_function: port.is_some_and(|port| port.is_virtual),
            region: region.map(|region| region.name.as_str()),
            interface_id: region.and_then(|region| region.interface_id),
            state: port.map_or("no port", |port| port.function.word()),
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
            dash(self.port),
            dash(self.afu_id),
            dash(Some(self.afu_names.join(",")).filter(|names| !names.is_empty())),
            self.state.to_owned(),
        ]
    }

    fn wide(&self) -> Vec<String> {
        let more = [
            dash(self.port_id),
            dash(self.region),
            dash(self.pci_function),
            dash(self.numa_node),
            self.driver.to_owned(),
        ];
        self.narrow().into_iter().chain(more).collect()
    }
}
