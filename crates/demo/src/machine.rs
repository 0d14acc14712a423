//! An emulated machine: a running `fpga-emulator`, and containers that see some of its nodes.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::Command;

use crate::binaries::Binaries;
use crate::process::Process;

/// How long a program may take to get ready or to end before the demo gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where a container's nodes are without a namespace.
const VIEW: &str = "view";

/// A running emulator in its own temporary directory.
#[derive(Debug)]
pub struct Machine {
    emulator: PathBuf,
    process: Process,
    directory: tempfile::TempDir,
    isolation: Isolation,
}

/// How a container is kept from seeing the other nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Isolation {
    /// A mount namespace in which `/dev` and `/sys` are the container's.
    Namespace,
    /// A directory with only the container's nodes, where the kernel forbids unprivileged namespaces.
    View,
}

impl Machine {
    /// Starts the emulator with a preset and waits until it serves.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start(binaries: &Binaries, preset: &str) -> anyhow::Result<Self> {
        let emulator = binaries.path("fpga-emulator").to_owned();
        let directory = crate::scratch::directory("fpga-demo-")?;
        let mut serve = Command::new(&emulator);
        serve.arg("serve").arg(directory.path().join("root"));
        serve
            .arg("--socket")
            .arg(directory.path().join("emulator.sock"))
            .args(["--preset", preset]);
        let mut process = Process::start(serve)?;
        process.wait_for_line("ready", PATIENCE).await?;
        let probe = Command::new(&emulator).arg("probe").output().await?;
        let isolation = if probe.status.success() { Isolation::Namespace } else { Isolation::View };
        Ok(Self { emulator, process, directory, isolation })
    }

    /// The directory that holds `sys/` and `dev/`.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// The emulator's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("emulator.sock")
    }

    /// A path in the machine's temporary directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// How containers are kept apart, for people.
    #[must_use]
    pub fn isolation(&self) -> &'static str {
        match self.isolation {
            Isolation::Namespace => {
                "a mount namespace with only the allocated device nodes in /dev"
            }
            Isolation::View => {
                "a directory with only the allocated device nodes (this kernel forbids unprivileged namespaces)"
            }
        }
    }

    /// True when programs can see the emulated machine at `/sys` and `/dev`.
    #[must_use]
    pub fn has_namespaces(&self) -> bool {
        self.isolation == Isolation::Namespace
    }

    /// A command that runs a program of the node itself, which sees all devices: at their usual places,
    /// or by [`Machine::root_arguments`].
    #[must_use]
    pub fn host_command(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.emulator);
        command.arg("exec").arg("--socket").arg(self.socket());
        if self.has_namespaces() {
            command.arg("--namespace");
        }
        command.arg("--").arg(program);
        command
    }

    /// A command of ours for the node itself that follows it as device nodes come and go: in a namespace, what
    /// was there at the start stays there.
    #[must_use]
    pub fn node_command(&self, program: &Path, arguments: &[String]) -> Command {
        let mut command = Command::new(&self.emulator);
        command.arg("exec").arg("--socket").arg(self.socket());
        command.arg("--").arg(program).args(arguments).arg("--root").arg(self.root());
        command
    }

    /// What tells a program of ours where the machine is, when it is not at the usual places.
    #[must_use]
    pub fn root_arguments(&self) -> Vec<String> {
        if self.has_namespaces() {
            return Vec::new();
        }
        vec!["--root".to_owned(), self.root().display().to_string()]
    }

    /// What tells `nlb` in a container where its nodes are, when they are not at the usual place.
    #[must_use]
    pub fn container_arguments(&self) -> Vec<String> {
        if self.has_namespaces() {
            return Vec::new();
        }
        vec!["--dev".to_owned(), self.file(VIEW).join("dev").display().to_string()]
    }

    /// Runs a program in a container that has the device nodes `nodes` and no others.
    ///
    /// # Errors
    /// When the container cannot be made; what the program does is in the output.
    pub async fn run(
        &self,
        nodes: &[String],
        program: &Path,
        arguments: &[String],
    ) -> anyhow::Result<Output> {
        let mut command = Command::new(&self.emulator);
        command.arg("exec").arg("--socket").arg(self.socket());
        match self.isolation {
            Isolation::Namespace => {
                command.arg("--namespace").args(nodes.iter().flat_map(|n| ["--device", n]));
                command.arg("--").arg(program).args(arguments);
            }
            Isolation::View => {
                self.view(nodes).await?;
                command.arg("--").arg(program).args(arguments);
            }
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output()).await;
        output
            .with_context(|| format!("{} did not end within {PATIENCE:?}", program.display()))?
            .map_err(Into::into)
    }

    async fn view(&self, nodes: &[String]) -> anyhow::Result<()> {
        let view = self.file(VIEW);
        if view.exists() {
            std::fs::remove_dir_all(&view)?;
        }
        let mut command = Command::new(&self.emulator);
        command
            .arg("view")
            .arg(self.root())
            .arg(&view)
            .args(nodes.iter().flat_map(|n| ["--device", n]));
        let output = command.output().await?;
        if !output.status.success() {
            bail!("fpga-emulator view: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// Ends the emulator and removes the directory.
    ///
    /// # Errors
    /// When the emulator does not end cleanly.
    pub async fn stop(self) -> anyhow::Result<()> {
        let status = self.process.terminate(PATIENCE).await?;
        if !status.success() {
            bail!("fpga-emulator ended with {status} on SIGTERM");
        }
        self.directory.close().context("cannot remove the demo's directory")
    }
}
