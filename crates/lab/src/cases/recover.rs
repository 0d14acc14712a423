//! A card that a failed programming has left disabled, and how it comes back.

use anyhow::ensure;
use fpga::card::Function;
use fpga_emulator::ctl::Command;

use super::Case;
use super::machines::{self, INTERFACE, NLB0, NLB3, machine, pac};
use super::program::function;
use crate::guest::Node;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "recover/rebind",
        about: "a good programming does not cure a failed one; unbinding and binding the driver does",
        machine: machines::two,
        play: rebind,
    },
    Case {
        name: "recover/rescan",
        about: "removing the card from the bus and scanning it does, too",
        machine: machines::one,
        play: rescan,
    },
    Case {
        name: "recover/unbound",
        about: "a card whose recovery was cut short gets its driver",
        machine: machines::one,
        play: unbound,
    },
    Case {
        name: "recover/two-ports",
        about: "with two ports, the one beside the failed one comes back as well",
        machine: || machine(&[pac(&[NLB3, NLB0])]),
        play: two_ports,
    },
    Case {
        name: "recover/open-node",
        about: "a card whose management node somebody has open is not taken away: the kernel would not survive it",
        machine: machines::one,
        play: open_node,
    },
    Case {
        name: "recover/stalled",
        about: "a card that never acknowledges the programming: ETIMEDOUT, and recovered",
        machine: machines::one,
        play: stalled,
    },
];

/// Has the programming of `port` fail.
fn disable(node: &Node, port: &str) -> anyhow::Result<String> {
    let file = node.gbs("nlb0", INTERFACE, NLB0, 4096)?;
    node.emulator()?.pr_error("card0", 2)?;
    node.fpgactl(&["program", "--reprogram", &file, port])?.ended(8)?;
    node.emulator()?.pr_error("card0", 0)?;
    Ok(file)
}

fn is_disabled(node: &Node, port: usize) -> anyhow::Result<()> {
    let card = node.card(0)?;
    let function = card.slots.get(port).map(|port| &port.function);
    ensure!(function == Some(&Function::Busy), "port {port} shows {function:?}");
    Ok(())
}

fn rebind(node: &Node) -> anyhow::Result<()> {
    let file = disable(node, "dfl-port.0")?;
    is_disabled(node, 0)?;
    // Nothing else does it: neither a good image, which fpgactl does not even try, nor a reset.
    node.fpgactl(&["program", "--reprogram", &file, "dfl-port.0"])?.ended(8)?.said("disabled")?;
    let _ = node.fpgactl(&["reset", "dfl-port.0"])?;
    is_disabled(node, 0)?;
    let address = node.card(0)?.id.to_string();
    node.fpgactl(&["recover", &address])?.ended(0)?.said(NLB3)?;
    ensure!(function(node, 0)? == format!("Some({NLB3:?})"), "{}", function(node, 0)?);
    ensure!(function(node, 1)? == format!("Some({NLB3:?})"), "the other card was harmed");
    node.fpgactl(&["program", &file, &address])?.ended(0)?;
    Ok(())
}

fn rescan(node: &Node) -> anyhow::Result<()> {
    let file = disable(node, "dfl-port.0")?;
    node.fpgactl(&["recover", "dfl-port.0", "--rescan"])?.ended(0)?.said(NLB3)?;
    node.fpgactl(&["program", &file, "dfl-port.0"])?.ended(0)?;
    Ok(())
}

fn unbound(node: &Node) -> anyhow::Result<()> {
    let file = disable(node, "dfl-port.0")?;
    let address = node.card(0)?.id.to_string();
    node.write("/sys/bus/pci/drivers/dfl-pci/unbind", &address)?;
    node.fpgactl(&["show", "dfl-port.0"])?.ended(3)?;
    node.fpgactl(&["recover", &address])?.ended(0)?.said(NLB3)?;
    node.fpgactl(&["program", &file, "dfl-port.0"])?.ended(0)?;
    Ok(())
}

fn two_ports(node: &Node) -> anyhow::Result<()> {
    disable(node, "dfl-port.0")?;
    is_disabled(node, 0)?;
    let address = node.card(0)?.id.to_string();
    node.fpgactl(&["recover", &address])?.ended(0)?;
    let found = function(node, 0)?;
    ensure!(found == format!("Some({NLB3:?}), Some({NLB0:?})"), "{found}");
    Ok(())
}

fn stalled(node: &Node) -> anyhow::Result<()> {
    let file = node.gbs("nlb0", INTERFACE, NLB0, 4096)?;
    node.emulator()?.run(&Command::PrStall { card: "card0".into(), on: true })?;
    node.fpgactl(&["program", &file, "dfl-port.0"])?.ended(8)?.said("ETIMEDOUT")?;
    node.emulator()?.run(&Command::PrStall { card: "card0".into(), on: false })?;
    let address = node.card(0)?.id.to_string();
    node.fpgactl(&["recover", &address])?.ended(0)?;
    node.fpgactl(&["program", &file, "dfl-port.0"])?.ended(0)?;
    Ok(())
}

/// Closing a node whose driver has gone has Linux use freed memory; a guest panics.
fn open_node(node: &Node) -> anyhow::Result<()> {
    disable(node, "dfl-port.0")?;
    let user = std::fs::File::open("/dev/dfl-fme.0")?;
    let refused = node.fpgactl(&["recover", "dfl-port.0", "--timeout", "300ms"])?.ended(5)?;
    refused.said(&format!("process {}", std::process::id()))?;
    is_disabled(node, 0)?;
    drop(user);
    node.fpgactl(&["recover", "dfl-port.0"])?.ended(0)?;
    Ok(())
}
