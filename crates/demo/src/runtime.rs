//! Container runtimes: runc where it is installed and works here, else the same sequence by ourselves.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::bundle::{Bundle, Container, PROGRAMS};
use crate::machine::Machine;

/// What starts the containers.
#[derive(Debug, Clone)]
pub enum Runtime {
    /// An installed runc.
    Runc(PathBuf),
    /// The demo: hooks with the state on standard input, the process, the hooks after it.
    Own {
        /// Why not runc.
        reason: String,
    },
}

/// How a container went.
#[derive(Debug)]
pub struct Outcome {
    /// Exit status of the container's process, or `None` when it was never started.
    pub status: Option<ExitStatus>,
    /// Words of the process, or of whatever kept it from starting.
    pub words: String,
}

impl Outcome {
    /// The process ran and ended well.
    #[must_use]
    pub fn success(&self) -> bool {
        self.status.is_some_and(|s| s.success())
    }
}

impl Runtime {
    /// Takes runc if it can start a container on this machine as this user.
    ///
    /// # Errors
    /// When the trial's files cannot be written.
    pub async fn choose(machine: &Machine, programs: &Path) -> anyhow::Result<Self> {
        let own = |reason: String| Ok(Self::Own { reason });
        if !machine.has_namespaces() {
            return own("without namespaces runc would not see the emulated devices".to_owned());
        }
        let runc = std::env::var_os("PATH").and_then(|paths| {
            std::env::split_paths(&paths).map(|p| p.join("runc")).find(|p| p.is_file())
        });
        let Some(runc) = runc else { return own("runc is not installed".to_owned()) };
        let trial = Container {
            id: "trial".to_owned(),
            namespace: "default".to_owned(),
            env: Vec::new(),
            script: "true".to_owned(),
        };
        let bundle = Bundle::write(&machine.file("trial"), &trial, programs, &[], &machine.root())?;
        let outcome = run_runc(&runc, machine, &bundle).await?;
        if outcome.success() {
            return Ok(Self::Runc(runc));
        }
        let last = outcome.words.lines().last().unwrap_or("no reason given").to_owned();
        own(format!("runc cannot start containers here: {last}"))
    }

    /// For people.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Runc(path) => format!("container runtime: {}", path.display()),
            Self::Own { reason } => {
                format!("container runtime: the demo runs the hooks itself: {reason}")
            }
        }
    }

    /// Directory in which a container's script finds the workload.
    #[must_use]
    pub fn programs(&self, programs: &Path) -> String {
        match self {
            Self::Runc(_) => PROGRAMS.to_owned(),
            Self::Own { .. } => programs.display().to_string(),
        }
    }

    /// Runs a container from its creation to its end, hooks included.
    ///
    /// # Errors
    /// When the runtime itself cannot be run.
    pub async fn run(&self, machine: &Machine, bundle: &Bundle) -> anyhow::Result<Outcome> {
        match self {
            Self::Runc(runc) => run_runc(runc, machine, bundle).await,
            Self::Own { .. } => run_ourselves(machine, bundle).await,
        }
    }
}

async fn run_runc(runc: &Path, machine: &Machine, bundle: &Bundle) -> anyhow::Result<Outcome> {
    let mut command = machine.host_command(runc);
    command.arg("--root").arg(machine.file("runc"));
    command.arg("run").arg("--bundle").arg(&bundle.path).arg(&bundle.id);
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run runc")?;
    let words = words(&output);
    // runc ends with 1 when it could not start the process, after a line of its own on standard error.
    let refused = !output.status.success() && words.contains("error running hook");
    Ok(Outcome { status: (!refused).then_some(output.status), words })
}

async fn run_ourselves(machine: &Machine, bundle: &Bundle) -> anyhow::Result<Outcome> {
    let command = |path: &Path, arguments: &[&str]| {
        let mut command = machine.host_command(path);
        command.args(arguments).args(machine.root_arguments());
        command
    };
    if let Err(error) = run_hooks(bundle, "createRuntime", "creating", &command).await {
        return Ok(Outcome { status: None, words: format!("{error:#}") });
    }
    let script = bundle.config["process"]["args"][2].as_str().unwrap_or_default();
    let output = machine
        .run(&bundle.nodes(), Path::new("/bin/sh"), &["-c".to_owned(), script.to_owned()])
        .await?;
    let mut words = words(&output);
    // A runtime logs the error of a poststop hook and continues (OCI runtime specification, lifecycle).
    if let Err(error) = run_hooks(bundle, "poststop", "stopped", &command).await {
        words.push_str(&format!("\n{error:#}"));
    }
    Ok(Outcome { status: Some(output.status), words })
}

/// Runs a bundle's hooks of a stage one after the other, as a runtime does, with the container's state on
/// standard input. `command` makes a command of a hook's program and arguments.
///
/// # Errors
/// When a hook cannot be run or fails, with what it said on standard error.
pub async fn run_hooks(
    bundle: &Bundle,
    stage: &str,
    status: &str,
    command: &dyn Fn(&Path, &[&str]) -> Command,
) -> anyhow::Result<()> {
    let state = json!({
        "ociVersion": "1.0.2", "id": bundle.id, "status": status, "pid": std::process::id(),
        "bundle": bundle.path, "annotations": bundle.config["annotations"],
    });
    for hook in bundle.hooks(stage) {
        let output = run_hook(bundle, hook, &state, command).await?;
        if !output.status.success() {
            let code = output.status.code().or(output.status.signal()).unwrap_or_default();
            bail!(
                "error running hook: exit status {code}, stderr: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
    }
    Ok(())
}

async fn run_hook(
    bundle: &Bundle,
    hook: &Value,
    state: &Value,
    command: &dyn Fn(&Path, &[&str]) -> Command,
) -> anyhow::Result<Output> {
    let path = hook["path"].as_str().context("a hook without a path")?;
    let arguments = hook["args"].as_array().into_iter().flatten().skip(1);
    let arguments: Vec<&str> = arguments.filter_map(Value::as_str).collect();
    let mut command = command(Path::new(path), &arguments);
    command.current_dir(&bundle.path).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {path}"))?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    stdin.write_all(state.to_string().as_bytes()).await?;
    drop(stdin);
    Ok(child.wait_with_output().await?)
}

fn words(output: &Output) -> String {
    let mut words = String::from_utf8_lossy(&output.stdout).into_owned();
    words.push_str(&String::from_utf8_lossy(&output.stderr));
    words
}
