//! A node whose cards answer ioctls: a running emulator, with the agent and tools under it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use fpga_demo::kubelet::Kubelet;
use fpga_demo::process::Process;
use fpga_emulator::ctl::{Client, Command as Control};
use fpga_emulator::machine::Machine;
use fpga_emulator::serve::{Options, Server};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

/// A card called `near` with a port, and one called `far`.
pub(crate) const TWO_CARDS: &str = r#"
[[card]]
name = "near"
kind = "pac-a10"
pci = "0000:3b:00.0"
[[card.port]]
afu = "nlb3"

[[card]]
name = "far"
kind = "pac-a10"
pci = "0000:86:00.0"
[[card.port]]
afu = "nlb3"
"#;

pub(crate) struct Emulated {
    server: Server,
    temp: TempDir,
}

impl Emulated {
    pub(crate) fn start(machine: &str) -> Self {
        let temp = TempDir::new().unwrap();
        let options = Options {
            machine: Machine::parse(machine).unwrap(),
            root: temp.path().join("root"),
            socket: temp.path().join("emulator.sock"),
            verbose: false,
        };
        Self { server: Server::start(&options).unwrap(), temp }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    pub(crate) fn control(&self, command: &Control) {
        Client::connect(self.server.socket()).unwrap().run(command).unwrap();
    }

    /// An attribute of a port or a management engine.
    pub(crate) fn attribute(&self, device: &str, name: &str) -> std::io::Result<String> {
        let directory = self.server.root().join("sys/bus/platform/devices").join(device);
        Ok(std::fs::read_to_string(directory.join(name))?.trim().to_owned())
    }

    pub(crate) fn node(&self, name: &str) -> PathBuf {
        self.server.root().join("dev").join(name)
    }

    /// A program whose ioctls the emulator answers.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(binary("fpga-emulator"));
        command.args(["exec", "--attribute-errors", "--socket"]).arg(self.server.socket());
        command.arg("--").arg(program).arg("--root").arg(self.server.root());
        command
    }

    pub(crate) fn fpgactl(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(binary("fpgactl"));
        command.args(arguments);
        command
    }

    pub(crate) fn agent(&self) -> Process {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_fpga-agent")));
        command.args(["--mode", "region", "--health-address", "none", "--rescan-interval", "1h"]);
        command.arg("--socket-dir").arg(self.file("sockets"));
        command.arg("--cdi-dir").arg(self.file("cdi"));
        command.arg("--hook-results").arg(self.file("run/hook-results"));
        command.args(["--grants-file", "none", "--pod-resources-socket"]).arg(self.pod_resources());
        Process::start(command).unwrap()
    }

    pub(crate) fn pod_resources(&self) -> PathBuf {
        self.file("pod-resources/kubelet.sock")
    }

    pub(crate) fn kubelet(&self) -> Kubelet {
        Kubelet::start(&self.file("sockets")).unwrap()
    }
}

/// A binary of another package, built once for all tests.
fn binary(name: &str) -> &'static Path {
    static BINARIES: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    &BINARIES.get_or_init(build)[name]
}

/// Not the agent: its binary is in use by other tests.
fn build() -> BTreeMap<String, PathBuf> {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["build", "-p", "fpga-emulator", "-p", "fpgactl"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "cannot build fpga-emulator and fpgactl");
    let lines = output.stdout.split(|&byte| byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let executable = |message: Value| {
        let name = message["target"]["name"].as_str()?.to_owned();
        Some((name, message["executable"].as_str()?.into()))
    };
    messages.filter_map(executable).collect()
}
