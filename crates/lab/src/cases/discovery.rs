//! What is found is what the emulator was told.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use anyhow::ensure;
use nix::sys::stat::{major, minor};

use super::Case;
use super::machines::{self, HELLO, NLB0, NLB3, card, machine, pac};
use crate::guest::{Node, eventually};

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
    Case {
        name: "discovery/addresses",
        about: "the cards of a shipped machine are at the addresses that its description has",
        machine: || machines::preset("mixed"),
        play: found,
    },
    Case {
        name: "discovery/by-number",
        about: "nodes are found by the devices' numbers, also after cards were torn out and put back",
        machine: || machines::preset("r740"),
        play: by_number,
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

/// Each node is found by its numbers, as a program does that was given no name: the card's and its port's.
fn numbered(node: &Node) -> anyhow::Result<Vec<PathBuf>> {
    let nodes = std::fs::read_dir("/dev")?.flatten().map(|entry| entry.path());
    let mut nodes: Vec<_> =
        nodes.filter(|p| p.to_string_lossy().starts_with("/dev/dfl-")).collect();
    nodes.sort();
    for path in &nodes {
        let numbers = std::fs::metadata(path)?.rdev();
        let link = format!("/dev/char/{}:{}", major(numbers), minor(numbers));
        eventually(&link, || std::fs::canonicalize(&link).is_ok_and(|found| found == *path))?;
    }
    let cards = node.machine().cards.len();
    ensure!(nodes.len() == 2 * cards, "{cards} cards have the nodes {nodes:?}");
    Ok(nodes)
}

fn by_number(node: &Node) -> anyhow::Result<()> {
    node.keep_links()?;
    let nodes = numbered(node)?;
    node.kill_emulator()?;
    let left = || nodes.iter().filter(|path| path.exists()).count();
    eventually("the nodes are gone", || left() == 0)?;
    let lost = || -> std::io::Result<bool> {
        let links = std::fs::read_dir("/dev/char")?.flatten();
        Ok(links.map(|link| link.path()).all(|link| link.exists()))
    };
    eventually("the links are gone", || lost().unwrap_or(false))?;
    node.start_emulator()?;
    node.attach_cards()?;
    numbered(node)?;
    found(node)
}
