//! A node whose cards answer ioctls: a running emulator, with the agent and tools under it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fpga_demo::kubelet::Kubelet;
use fpga_demo::process::Process;
use fpga_emulator::ctl::{Client, Command as Control};
use fpga_emulator::machine::Machine;
use fpga_emulator::serve::{Options, Server};
use fpga_emulator::testing;
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
        let mut command = Command::new(testing::program());
        command.args(["exec", "--attribute-errors", "--socket"]).arg(self.server.socket());
        command.arg("--").arg(program).arg("--root").arg(self.server.root());
        command
    }

    pub(crate) fn fpgactl(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(fpgactl());
        command.args(arguments);
        command
    }

    pub(crate) fn agent(&self) -> Process {
        self.agent_with(&["--mode", "region"])
    }

    pub(crate) fn agent_with(&self, arguments: &[&str]) -> Process {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_fpga-agent")));
        command.args(["--health-address", "none", "--rescan-interval", "1h"]).args(arguments);
        command.arg("--socket-dir").arg(self.file("sockets"));
        command.arg("--cdi-dir").arg(self.file("cdi"));
        command.arg("--hook-results").arg(self.file("run/hook-results"));
        command.args(["--grants-file", "none", "--pod-resources-socket"]).arg(self.pod_resources());
        Process::start(command).unwrap()
    }

    pub(crate) fn programmer_socket(&self) -> PathBuf {
        self.file("programmer.sock")
    }

    pub(crate) fn programmer(&self) -> Process {
        static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
        let program = PROGRAM.get_or_init(|| testing::program_of("fpga-programmer"));
        let mut command = self.command(program);
        command.args(["--keep-network", "--socket"]).arg(self.programmer_socket());
        Process::start(command).unwrap()
    }

    pub(crate) fn pod_resources(&self) -> PathBuf {
        self.file("pod-resources/kubelet.sock")
    }

    pub(crate) fn kubelet(&self) -> Kubelet {
        Kubelet::start(&self.file("sockets")).unwrap()
    }
}

/// The command line tool, built once for all tests.
fn fpgactl() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| testing::program_of("fpgactl"))
}
