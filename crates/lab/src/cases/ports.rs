//! Errors, reset, and ports that go to virtual functions and back.

use anyhow::ensure;
use fpga::card::Slot;

use super::Case;
use super::machines::{self, Card, HELLO, NLB0, NLB3, machine};
use crate::guest::{Node, eventually};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "errors/port",
        about: "errors of a port in words, and cleared",
        machine: machines::two,
        play: port_errors,
    },
    Case {
        name: "errors/card",
        about: "errors of the management engine in words, and cleared",
        machine: machines::one,
        play: card_errors,
    },
    Case {
        name: "port/reset",
        about: "a port is reset; one that is in use is not",
        machine: machines::one,
        play: reset,
    },
    Case {
        name: "port/release-assign",
        about: "a port that was given back has no driver until the card is recovered",
        machine: machines::one,
        play: release_and_assign,
    },
    Case {
        name: "discovery/virtual-functions",
        about: "released ports are found behind virtual functions, and on the card again",
        machine: || {
            machine(&[Card { kind: "pac-a10", functions: &[NLB3, NLB0], virtual_functions: true }])
        },
        play: virtual_functions,
    },
    Case {
        name: "discovery/virtual-functions-of-one",
        about: "virtual functions are on the bus of their card, when other cards have none",
        machine: || machines::preset("mixed"),
        play: virtual_functions_of_one,
    },
];

fn port_errors(node: &Node) -> anyhow::Result<()> {
    node.emulator()?.port_error("card1", 0, 1 | 1 << 32)?;
    let port = node.card(1)?.slots[0].name.clone();
    let told = node.fpgactl(&["errors"])?.ended(4)?;
    let told = told.said(&port)?.said("read requests overflowed")?;
    told.said("the function did not answer a register read in time")?;
    node.fpgactl(&["errors", "--clear"])?.ended(0)?;
    node.fpgactl(&["errors"])?.ended(0)?.said("no errors")?;
    Ok(())
}

fn card_errors(node: &Node) -> anyhow::Result<()> {
    node.emulator()?.fme_error("card0", 1)?;
    node.fpgactl(&["errors"])?.ended(4)?.said("dfl-fme.0")?.said("error in the fabric")?;
    node.fpgactl(&["errors", "--clear", "dfl-fme.0"])?.ended(0)?;
    node.fpgactl(&["errors"])?.ended(0)?.said("no errors")?;
    Ok(())
}

fn reset(node: &Node) -> anyhow::Result<()> {
    node.fpgactl(&["reset", "dfl-port.0"])?.ended(0)?;
    let _user = std::fs::File::options().read(true).write(true).open("/dev/dfl-port.0")?;
    node.fpgactl(&["reset", "dfl-port.0"])?.ended(5)?.said("in use")?;
    Ok(())
}

fn release_and_assign(node: &Node) -> anyhow::Result<()> {
    let address = node.card(0)?.id.to_string();
    node.fpgactl(&["port", "release", "dfl-port.0"])?.ended(0)?;
    ensure!(node.card(0)?.slots.is_empty(), "the port is still there");
    node.fpgactl(&["port", "assign", &address, "0"])?.ended(0)?.said("fpgactl recover")?;
    node.fpgactl(&["list"])?.ended(4)?.said("fpgactl recover")?;
    node.fpgactl(&["recover", &address])?.ended(0)?.said(NLB3)?;
    Ok(())
}

fn virtual_functions(node: &Node) -> anyhow::Result<()> {
    let address = node.card(0)?.id.to_string();
    let functions = format!("/sys/bus/pci/devices/{address}/sriov_numvfs");
    for number in ["0", "1"] {
        node.fpgactl(&["port", "release", &address, number])?.ended(0)?;
    }
    // The driver wants as many functions as there are released ports.
    let refused = std::fs::write(&functions, "1").err().and_then(|e| e.raw_os_error());
    ensure!(refused == Some(22), "one function for two ports: {refused:?}");
    node.write(&functions, "2")?;
    let ports = || node.card(0).map(|card| card.slots).unwrap_or_default();
    eventually("two ports on virtual functions", || ports().len() == 2)?;
    let found: Vec<_> = ports()
        .iter()
        .map(|port| {
            format!(
                "{} {} {}",
                port.pci.map(|pci| pci.to_string()).unwrap_or_default(),
                port.is_virtual,
                port.afu_id().map(|id| id.to_string()).unwrap_or_default()
            )
        })
        .collect();
    let expected = [format!("0000:00:01.0 true {NLB3}"), format!("0000:00:02.0 true {NLB0}")];
    ensure!(found == expected, "found {found:?}");
    node.fpgactl(&["list", "-o", "wide"])?.ended(0)?;
    // Recovery would take them away.
    node.fpgactl(&["recover", &address])?.ended(5)?.said("virtual functions")?;
    node.write(&functions, "0")?;
    for number in ["0", "1"] {
        node.fpgactl(&["port", "assign", &address, number])?.ended(0)?;
    }
    node.fpgactl(&["recover", &address])?.ended(0)?;
    ensure!(ports().len() == 2 && ports().iter().all(|port| !port.is_virtual), "{:?}", ports());
    Ok(())
}

fn virtual_functions_of_one(node: &Node) -> anyhow::Result<()> {
    const CARD: usize = 3;
    let address = node.card(CARD)?.id.to_string();
    let functions = format!("/sys/bus/pci/devices/{address}/sriov_numvfs");
    node.fpgactl(&["port", "release", &address, "1"])?.ended(0)?;
    node.write(&functions, "1")?;
    let ports = || node.card(CARD).map(|card| card.slots).unwrap_or_default();
    let expected = [format!("{address} {HELLO}"), format!("0000:af:01.0 {NLB3}")];
    let shown = || -> Vec<String> {
        let ports = ports();
        let id = |port: &Slot| port.afu_id().map(|id| id.to_string()).unwrap_or_default();
        ports.iter().filter_map(|port| Some(format!("{} {}", port.pci?, id(port)))).collect()
    };
    eventually(&format!("ports {expected:?}"), || shown() == expected)?;
    node.write(&functions, "0")?;
    node.fpgactl(&["port", "assign", &address, "1"])?.ended(0)?;
    node.fpgactl(&["recover", &address])?.ended(0)?;
    ensure!(ports().len() == 2 && ports().iter().all(|port| !port.is_virtual), "{:?}", ports());
    Ok(())
}
