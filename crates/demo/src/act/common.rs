//! What the acts have in common.

use std::process::Output;

use anyhow::ensure;
use tokio::process::Command;

use super::Stage;
use crate::console::Console;
use crate::kubelet::Kubelet;
use crate::machine::{Machine, PATIENCE};
use crate::process::Process;

pub(super) async fn start_machine(stage: &Stage<'_>, console: &Console) -> anyhow::Result<Machine> {
    console.step(&format!("A machine with emulated FPGA cards (preset {})", stage.preset));
    console.note(
        "fpga-emulator serves the cards. --root is the directory with their sys/ and dev/; on a real node it is left out.",
    );
    let machine = Machine::start(stage.binaries, stage.preset).await?;
    let fpgactl = stage.binaries.path("fpgactl");
    let root = machine.root().display().to_string();
    let arguments = ["list".to_owned(), "--root".to_owned(), root];
    console.command(fpgactl, &arguments);
    let output = Command::new(fpgactl).args(&arguments).output().await?;
    show(console, &output);
    ensure!(output.status.success(), "fpgactl list ended with {}", output.status);
    console.note(
        "CARD       a PCIe card, by its PCI address
PORT       device node of a region, which is a slot of the card that can be programmed; programs open it to use the slot
INTERFACE  interface id of the region: a bitstream fits only regions with its own interface id
AFU        id of the accelerator function unit (AFU), the function that is loaded in the region now",
    );
    Ok(machine)
}

/// Starts the agent with `flags` and those that every act needs.
pub(super) fn tell_agent(
    stage: &Stage<'_>,
    console: &Console,
    machine: &Machine,
    flags: &[String],
) -> anyhow::Result<Process> {
    let program = stage.binaries.path("fpga-agent");
    let mut arguments = flags.to_vec();
    arguments.extend([
        format!("--root={}", machine.root().display()),
        format!("--socket-dir={}", machine.file("device-plugins").display()),
        format!("--cdi-dir={}", machine.file("cdi").display()),
        format!("--grants-file={}", machine.file("grants.json").display()),
        format!("--hook-results={}", machine.file("hook-results").display()),
        "--pod-resources-socket=none".to_owned(),
        "--health-address=none".to_owned(),
    ]);
    console.command(program, &arguments);
    let mut command = Command::new(program);
    // The demo has no API server and must not use one that the caller's environment names.
    command.args(&arguments).env("NODE_NAME", "emulated");
    command.env_remove("KUBECONFIG").env_remove("KUBERNETES_SERVICE_HOST");
    Ok(Process::start(command)?)
}

pub(super) fn show(console: &Console, output: &Output) {
    console.text(&String::from_utf8_lossy(&output.stdout));
    console.text(&String::from_utf8_lossy(&output.stderr));
}

/// Prints how to use the machine and waits forever: the signal that ends the demo ends the wait.
pub(super) async fn keep(console: &Console, machine: &Machine) {
    console.step("Left running: press Ctrl-C to end");
    let (root, socket) = (machine.root(), machine.socket());
    console.text(&format!(
        "# The cards:
fpgactl list --root {root}
# A shell that sees the emulated machine at /sys and /dev, and whose programs can use the cards:
fpga-emulator exec --socket {socket} --namespace -- sh
# Faults, temperatures, cards that are pulled out:
fpga-emulator ctl --socket {socket} --help",
        root = root.display(),
        socket = socket.display(),
    ));
    std::future::pending().await
}

pub(super) async fn stop_agent(
    agent: Process,
    machine: &Machine,
    kubelet: &Kubelet,
) -> anyhow::Result<()> {
    let endpoints: Vec<_> = kubelet.node().resources.into_values().map(|r| r.endpoint).collect();
    let status = agent.terminate(PATIENCE).await?;
    ensure!(status.success(), "fpga-agent ended with {status} on SIGTERM");
    for endpoint in endpoints {
        let socket = machine.file("device-plugins").join(endpoint);
        ensure!(!socket.exists(), "fpga-agent left {} behind", socket.display());
    }
    Ok(())
}
