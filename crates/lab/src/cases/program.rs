//! `fpgactl program`: what the real fme-mgr makes of it.

use std::time::Duration;

use anyhow::ensure;
use fpga::root::Root;
use fpga::watch::Watcher;
use fpga_emulator::ctl::{Command, Fault};
use serde_json::json;

use super::Case;
use super::machines::{self, INTERFACE, NLB0, NLB3};
use crate::guest::Node;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "program/loads",
        about: "a function is replaced by another, and back",
        machine: machines::one,
        play: loads,
    },
    Case {
        name: "program/large",
        about: "1 MiB goes through the card's 128 credits",
        machine: machines::one,
        play: large,
    },
    Case {
        name: "program/right-card",
        about: "of two cards only the one that is named gets the function",
        machine: machines::two,
        play: right_card,
    },
    Case {
        name: "program/refusals",
        about: "each error of the card in its words, recovered each time",
        machine: machines::one,
        play: refusals,
    },
    Case {
        name: "program/broken-payload",
        about: "a payload that the card does not take",
        machine: machines::one,
        play: broken_payload,
    },
    Case {
        name: "program/wrong-interface",
        about: "an image for another region is refused before anything is touched",
        machine: machines::one,
        play: wrong_interface,
    },
    Case {
        name: "program/user-clock",
        about: "the clock that an image asks for is set through the driver's registers, and counted",
        machine: machines::one,
        play: user_clock,
    },
    Case {
        name: "program/no-user-clock",
        about: "a card whose clock the driver does not set keeps its function",
        machine: machines::without_clock,
        play: no_user_clock,
    },
    Case {
        name: "program/in-use",
        about: "a port that somebody has open is left alone",
        machine: machines::one,
        play: in_use,
    },
    Case {
        name: "program/other-tools",
        about: "what closes the management node is told apart: a program of ours and another, by inotify",
        machine: machines::one,
        play: other_tools,
    },
];

/// What a port shows, as the driver says it.
pub(super) fn function(node: &Node, card: usize) -> anyhow::Result<String> {
    let card = node.card(card)?;
    let ports: Vec<_> = card
        .slots
        .iter()
        .map(|port| format!("{:?}", port.afu_id().map(|id| id.to_string())))
        .collect();
    Ok(ports.join(", "))
}

fn shows(node: &Node, card: usize, afu: &str) -> anyhow::Result<()> {
    let found = function(node, card)?;
    ensure!(found == format!("Some({afu:?})"), "card {card} shows {found}, expected {afu}");
    Ok(())
}

fn loads(node: &Node) -> anyhow::Result<()> {
    let nlb0 = node.gbs("nlb0", INTERFACE, NLB0, 64 << 10)?;
    let nlb3 = node.gbs("nlb3", INTERFACE, NLB3, 64 << 10)?;
    for (file, afu) in [(&nlb0, NLB0), (&nlb3, NLB3)] {
        let finished = node.fpgactl(&["program", file, "dfl-port.0", "-o", "json"])?.ended(0)?;
        ensure!(
            finished.json()?["after"]["afuId"] == afu || finished.stdout.contains(afu),
            "{}",
            finished.stdout
        );
        shows(node, 0, afu)?;
    }
    Ok(())
}

fn large(node: &Node) -> anyhow::Result<()> {
    let file = node.gbs("large", INTERFACE, NLB0, 1 << 20)?;
    let start = std::time::Instant::now();
    node.fpgactl(&["program", &file, "dfl-port.0"])?.ended(0)?;
    node.note(format!("1 MiB in {:.2} s", start.elapsed().as_secs_f64()))?;
    shows(node, 0, NLB0)
}

fn right_card(node: &Node) -> anyhow::Result<()> {
    let file = node.gbs("nlb0", INTERFACE, NLB0, 64 << 10)?;
    let address = node.card(1)?.id.to_string();
    node.fpgactl(&["program", &file, &address])?.ended(0)?;
    shows(node, 0, NLB3)?;
    shows(node, 1, NLB0)
}

/// Bits of `FME_PR_ERR` and the driver's words for them (`drivers/fpga/fpga-mgr.c`, `status_show`).
const REFUSALS: [(u64, &str); 5] = [
    (1, "reconfig operation error"),
    (2, "reconfig CRC error"),
    (4, "reconfig incompatible image"),
    (8, "reconfig IP protocol error"),
    (16, "reconfig fifo overflow error"),
];

fn refusals(node: &Node) -> anyhow::Result<()> {
    let file = node.gbs("nlb0", INTERFACE, NLB0, 4096)?;
    let address = node.card(0)?.id.to_string();
    for (bits, words) in REFUSALS {
        node.emulator()?.pr_error("card0", bits)?;
        let refused = node.fpgactl(&["program", "--reprogram", &file, "dfl-port.0"])?.ended(8)?;
        refused.said(words)?.said("(EIO)")?.said("fpgactl recover")?;
        node.emulator()?.pr_error("card0", 0)?;
        node.fpgactl(&["recover", &address])?.ended(0)?;
    }
    // All at once, each is named.
    node.emulator()?.pr_error("card0", 0x1f)?;
    let mut refused = node.fpgactl(&["program", "--reprogram", &file, "dfl-port.0"])?.ended(8)?;
    for (_, words) in REFUSALS {
        refused = refused.said(words)?;
    }
    Ok(())
}

fn broken_payload(node: &Node) -> anyhow::Result<()> {
    let file = node.gbs("broken", INTERFACE, NLB0, 4096)?;
    let mut bytes = std::fs::read(&file)?;
    let payload = bytes.len() - 4096;
    bytes[payload] ^= 0xff;
    std::fs::write(&file, bytes)?;
    node.fpgactl(&["program", &file, "dfl-port.0"])?.ended(8)?.said("reconfig CRC error")?;
    Ok(())
}

fn user_clock(node: &Node) -> anyhow::Result<()> {
    for (high, low) in [(300, 150), (25, 12), (600, 300)] {
        let file = node.gbs_asking("clock", INTERFACE, NLB0, 4096, Some((high, low)))?;
        let args = ["program", &file, "dfl-port.0", "-o", "json"];
        let clock = node.fpgactl(&args)?.ended(0)?.json()?["userClock"].clone();
        let expected = json!({"highKhz": high * 1000, "lowKhz": high * 500});
        ensure!(clock == expected, "{clock}, expected {expected}");
        // What the driver itself shows: the faster output is the last that was counted, in units of 10 kHz.
        let path = "/sys/bus/platform/devices/dfl-port.0/userclk_freqcntrsts";
        let shown = std::fs::read_to_string(path)?;
        let value = u64::from_str_radix(shown.trim().trim_start_matches("0x"), 16)?;
        ensure!(value & 0x1_ffff == u64::from(high) * 100, "{path}: {shown}");
        node.note(format!("{high} MHz: {path} {}", shown.trim()))?;
    }
    shows(node, 0, NLB0)?;
    // An image that is there is left there with its clock.
    let file = node.file("clock.gbs").display().to_string();
    node.fpgactl(&["program", &file, "dfl-port.0"])?.ended(0)?.said("loaded already")?;

    node.emulator()?.run(&Command::FunctionFault {
        card: "card0".into(),
        port: 0,
        fault: Fault::Clock,
    })?;
    node.fpgactl(&["program", "--reprogram", &file, "dfl-port.0"])?
        .ended(7)?
        .said("the clock generator does not lock")?;
    Ok(())
}

fn no_user_clock(node: &Node) -> anyhow::Result<()> {
    let file = node.gbs_asking("clock", INTERFACE, NLB0, 4096, Some((300, 150)))?;
    let path = std::path::Path::new("/sys/bus/platform/devices/dfl-port.0/userclk_freqcmd");
    ensure!(!path.exists(), "{} is there", path.display());
    node.fpgactl(&["program", &file, "dfl-port.0"])?.ended(6)?.said(
        "the image asks for a user clock of 300 MHz and 150 MHz, which this port cannot have",
    )?;
    shows(node, 0, NLB3)
}

fn wrong_interface(node: &Node) -> anyhow::Result<()> {
    let file = node.gbs("wrong", "00000000000000000000000000000001", NLB0, 4096)?;
    node.fpgactl(&["program", &file, "dfl-port.0"])?
        .ended(6)?
        .said("the image is for interface")?;
    shows(node, 0, NLB3)
}

fn in_use(node: &Node) -> anyhow::Result<()> {
    let file = node.gbs("nlb0", INTERFACE, NLB0, 4096)?;
    let user = std::fs::File::options().read(true).write(true).open("/dev/dfl-port.0")?;
    node.fpgactl(&["program", &file, "dfl-port.0"])?.ended(5)?.said("in use")?;
    shows(node, 0, NLB3)?;
    drop(user);
    node.fpgactl(&["program", &file, "dfl-port.0"])?.ended(0)?;
    shows(node, 0, NLB0)
}

fn other_tools(node: &Node) -> anyhow::Result<()> {
    let file = node.gbs("nlb0", INTERFACE, NLB0, 4096)?;
    let root = Root::host();
    root.ledger().make()?;
    let mut watcher = Watcher::new(&root)?;
    watcher.take_closed();
    let mut others = || -> anyhow::Result<usize> {
        while watcher.wait(Some(Duration::from_millis(200)))? {}
        Ok(watcher.take_closed().len())
    };
    node.fpgactl(&["program", &file, "dfl-port.0"])?.ended(0)?;
    ensure!(others()? == 0, "our own programming counts as another tool's");
    node.fpgactl(&["reset", "dfl-port.0"])?.ended(0)?;
    ensure!(others()? == 0, "a reset counts as another tool's programming");
    drop(std::fs::File::options().read(true).write(true).open("/dev/dfl-fme.0")?);
    ensure!(others()? == 1, "another tool's programming was not noticed");
    Ok(())
}
