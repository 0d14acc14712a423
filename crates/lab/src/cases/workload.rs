//! The sample workload over the real mmap and the real DMA map.

use anyhow::ensure;
use fpga_emulator::ctl::Fault;

use super::Case;
use super::machines::{self, NLB0, NLB3, machine, pac};
use crate::guest::Node;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "nlb/mode-0",
        about: "memory is copied, 1 line and 16384",
        machine: || machine(&[pac(&[NLB0])]),
        play: |node| runs(node, "0"),
    },
    Case {
        name: "nlb/mode-3",
        about: "memory is read and written, 1 line and 16384",
        machine: machines::one,
        play: |node| runs(node, "3"),
    },
    Case {
        name: "nlb/right-port",
        about: "of two cards the workload takes the one with its function, and ends with 102 without one",
        machine: || machine(&[pac(&[NLB3]), pac(&[NLB0])]),
        play: right_port,
    },
    Case {
        name: "nlb/wrong-data",
        about: "a function that writes one bit wrong, or never starts, is found out",
        machine: || machine(&[pac(&[NLB0])]),
        play: wrong_data,
    },
];

fn runs(node: &Node, mode: &str) -> anyhow::Result<()> {
    for lines in [1u64, 16384] {
        let count = lines.to_string();
        let run = node.run("nlb", &["--mode", mode, "--lines", &count, "-o", "json"])?.ended(0)?;
        let report = run.json()?;
        ensure!(
            report["lines"] == lines && report["reads"] == lines && report["writes"] == lines,
            "moved {report}"
        );
    }
    Ok(())
}

fn right_port(node: &Node) -> anyhow::Result<()> {
    node.run("nlb", &["--mode", "3"])?.ended(0)?;
    node.run("nlb", &["--mode", "0"])?.ended(0)?;
    let other = node.card(1)?.id.to_string();
    node.write("/sys/bus/pci/drivers/dfl-pci/unbind", &other)?;
    node.run("nlb", &["--mode", "0"])?.ended(102)?;
    Ok(())
}

fn wrong_data(node: &Node) -> anyhow::Result<()> {
    node.emulator()?.function_fault("card0", 0, Fault::Corrupt)?;
    node.run("nlb", &["--mode", "0", "--lines", "64"])?.ended(1)?;
    node.emulator()?.function_fault("card0", 0, Fault::Hang)?;
    node.run("nlb", &["--mode", "0", "--timeout", "0.5"])?.ended(1)?;
    node.emulator()?.function_fault("card0", 0, Fault::None)?;
    node.run("nlb", &["--mode", "0", "--lines", "64"])?.ended(0)?;
    Ok(())
}
