//! What is found is what the emulator was told.

use anyhow::ensure;

use super::Case;
use super::machines::{self, HELLO, NLB0, NLB3, card, machine, pac};
use crate::guest::Node;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "discovery/one-card",
        about: "a card, its region, its port and its function are found",
        machine: machines::one,
        play: found,
    },
    Case {
        name: "discovery/two-cards",
        about: "two cards are told apart",
        machine: machines::two,
        play: found,
    },
    Case {
        name: "discovery/two-ports",
        about: "two ports of a card have their own functions",
        machine: || machine(&[pac(&[NLB0, NLB3])]),
        play: found,
    },
    Case {
        name: "discovery/mixed",
        about: "cards with one and with two ports",
        machine: || machine(&[pac(&[NLB3, HELLO]), pac(&[NLB0]), pac(&[HELLO])]),
        play: found,
    },
    Case {
        name: "discovery/kinds",
        about: "cards of every other kind that the driver knows, with and without a region",
        machine: || {
            machine(&[
                card("d5005", &[NLB0]),
                card("n3000", &[HELLO]),
                card("integrated", &[NLB3]),
                card("n6001", &[HELLO]),
                card("n5010", &[NLB0]),
            ])
        },
        play: found,
    },
];

/// Compares the inventory with the description, card by card.
fn found(node: &Node) -> anyhow::Result<()> {
    let inventory = node.scan();
    let problems: Vec<_> = inventory.all_problems().map(ToString::to_string).collect();
    ensure!(problems.is_empty(), "problems: {problems:?}");
    let found: Vec<String> = inventory
        .cards
        .iter()
        .map(|card| {
            let ports = card.slots.iter().map(|port| {
                let id = port.afu_id().map(|id| id.to_string()).unwrap_or_default();
                let interface = card.interface_id(port).map(|id| id.to_string());
                format!(
                    "port {} function {id} interface {}",
                    port.number,
                    interface.unwrap_or_default()
                )
            });
            let ids = card.pci.as_ref().map(|pci| (pci.vendor, pci.device)).unwrap_or_default();
            let text =
                format!("{} {:04x}:{:04x} ports {:?}", card.id, ids.0, ids.1, card.slots_num);
            [text].into_iter().chain(ports).collect::<Vec<_>>().join(", ")
        })
        .collect();
    let told: Vec<String> = node
        .machine()
        .cards
        .iter()
        .map(|card| {
            let ports = card.ports.iter().enumerate().map(|(id, port)| {
                let interface = card.interface_id.map(|id| id.to_string());
                format!(
                    "port {id} function {} interface {}",
                    port.afu_id,
                    interface.unwrap_or_default()
                )
            });
            let text = format!(
                "{} {:04x}:{:04x} ports {:?}",
                card.pci,
                card.ids.vendor,
                card.ids.device,
                Some(card.ports.len())
            );
            [text].into_iter().chain(ports).collect::<Vec<_>>().join(", ")
        })
        .collect();
    ensure!(found == told, "found {found:#?}\ntold {told:#?}");
    // The command for people sees the same, with nothing to complain about.
    node.fpgactl(&["show"])?.ended(0)?;
    Ok(())
}
