//! The driver's contract, ioctl by ioctl: the table that the emulator's first face is held against, here on Linux itself.

use anyhow::{Context, ensure};

use super::Case;
use crate::guest::{Node, SOCKET};

pub(super) const CASES: &[Case] = &[Case {
    name: "contract/driver",
    about: "what ioctls return and change, row by row, as the emulator's first face does it on the host",
    machine: || include_str!("../../../emulator/tests/contract/machine.toml").to_owned(),
    play: contract,
}];

/// `lab/run` puts the test's binary beside the others.
fn contract(node: &Node) -> anyhow::Result<()> {
    let program = node.program("fpga-contract");
    ensure!(program.exists(), "{} is not built: lab/run builds it", program.display());
    let mut command = node.outside_command(&program);
    command.args(["run", "--face", "driver", "--root", "/", "--control", SOCKET]);
    let output = command.output().with_context(|| program.display().to_string())?;
    let words =
        [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned()).concat();
    println!("{words}");
    // Hundreds of rows went well: only the others are for the person.
    let told: Vec<&str> = words.lines().filter(|line| !line.starts_with("ok: ")).collect();
    ensure!(output.status.success(), "{}", told.join("\n"));
    told.into_iter().try_for_each(|line| node.note(line))
}
