//! `fpgactl install-host`: puts this program and the runtime's hooks on the host.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args as ClapArgs;
use fpga::duration;
use fpga::names::spec_device;
use serde::Serialize;

mod hooks;
mod place;

use crate::output::{self, Form};
use crate::status::Status;
use hooks::{Hook, STAGES};
pub(crate) use place::Locked;
use place::{Action, Directory};

/// The names of the programs on the host.
const PROGRAM: &str = "fpgactl";
const HOOK: &str = "fpga-hook";

/// Put this program and the runtime hook on the host
///
/// The specifications in /var/run/cdi name the hook, fpga-hook, by its path. Runtimes that know no CDI find it by the
/// files in --hooks-dir. Where there is no fpga-hook beside this program, this program is installed under that name
/// too: it is the same with more to it. What is in place already is left alone; the rest is replaced in one step, so
/// that a container starting meanwhile finds the old program or the new one.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl install-host
  fpgactl install-host --hooks-dir /etc/containers/oci/hooks.d
  fpgactl install-host --bin-dir /host/opt/intel/fpga-sw \\
    --hooks-dir /host/etc/containers/oci/hooks.d --hook-path /opt/intel/fpga-sw/fpga-hook
  fpgactl install-host --hooks-dir /etc/containers/oci/hooks.d --no-hooks
  fpgactl install-host --uninstall --hooks-dir /etc/containers/oci/hooks.d --run-dir /run/kube-fpga")]
pub(crate) struct Args {
    /// Where the programs go; made if it is missing
    #[arg(long, value_name = "DIR", default_value = "/opt/intel/fpga-sw")]
    bin_dir: PathBuf,
    /// Where the hooks of CRI-O or Podman without CDI go; not installed by default
    #[arg(long, value_name = "DIR")]
    hooks_dir: Option<PathBuf>,
    /// Remove the hooks that an earlier run put into --hooks-dir, for a runtime that has CDI now; files of others stay
    #[arg(long, requires = "hooks_dir", conflicts_with_all = ["hook_path", "hook_args", "uninstall"])]
    no_hooks: bool,
    /// The hook as the runtime on the host finds it, if --bin-dir is only where this container sees it
    #[arg(long, value_name = "FILE", requires = "hooks_dir")]
    hook_path: Option<PathBuf>,
    /// Another argument of the hook, such as --hook-arg=--store=/mnt/fpga; may be repeated
    #[arg(
        long = "hook-arg",
        value_name = "ARG",
        requires = "hooks_dir",
        allow_hyphen_values = true
    )]
    hook_args: Vec<String>,
    /// After how many seconds the runtime gives a hook up and does not start the container
    #[arg(long, value_name = "SECONDS", default_value_t = 120, requires = "hooks_dir")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    hook_timeout: u32,
    /// How long to wait for another installer that has a directory locked
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    timeout: Duration,
    /// Remove the hooks and the programs instead
    #[arg(long)]
    uninstall: bool,
    /// With --uninstall: also remove what the agent keeps in this directory, such as the grants, after the agent is gone; the
    /// ledger stays until the next boot
    #[arg(long, value_name = "DIR", requires = "uninstall")]
    run_dir: Option<PathBuf>,
    /// Directory of CDI from which --uninstall also removes the agent's specifications
    #[arg(long, value_name = "DIR", requires = "uninstall")]
    cdi_dir: Option<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// What the agent keeps in its directory below `/run`, by the names that its flags have by default.
const RUN_FILES: [&str; 6] =
    ["grants.json", "mode", "agent.lock", "uses.json", "programmer.sock", "programmer.sock.lock"];
/// The directory there of the hook's results.
const RUN_RESULTS: &str = "hook-results";

/// The names are those of `-o json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(serialize_with = "output::path")]
    file: PathBuf,
    action: Action,
    dry_run: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Status> {
    let rows = if args.uninstall { uninstall(args)? } else { install(args)? };
    if !args.quiet {
        output::form(args.output, &rows, |rows| rows.iter().map(Row::text).collect())?;
    }
    Ok(Status::Sound)
}

/// The programs first, so that no hook names one that is not there.
fn install(args: &Args) -> anyhow::Result<Vec<Row>> {
    // What is refused is refused before anything is put anywhere.
    let wanted = args.hooks_dir.as_ref().filter(|_| !args.no_hooks);
    let path = wanted.is_some().then(|| hook_path(args)).transpose()?;
    let bin = Directory::open(&args.bin_dir, args.dry_run, args.timeout)?;
    let hooks = match wanted {
        Some(dir) => Some(bin.beside(dir, args.dry_run, args.timeout)?),
        None => None,
    };
    let mut rows = Vec::new();
    for (name, mut file) in [(PROGRAM, itself()?), (HOOK, hook()?)] {
        let mode = place::mode(&file).context(name)?;
        rows.push(Row::new(args, &args.bin_dir, name, bin.install(name, &mut file, mode)?));
    }
    if let (Some(hooks), Some(path)) = (&hooks, &path) {
        for stage in STAGES {
            let hook = Hook::new(path, stage, &args.hook_args, args.hook_timeout);
            let name = hooks::file_name(stage);
            let action = hooks.install(&name, &mut hook.to_bytes()?.as_slice(), 0o644)?;
            rows.push(Row::new(args, hooks.path(), &name, action));
        }
    }
    if let Some(dir) = args.hooks_dir.as_ref().filter(|_| args.no_hooks) {
        rows.extend(remove_hooks(args, dir)?);
    }
    Ok(rows)
}

/// Beside the specs of CDI these hooks would run for the same containers.
fn remove_hooks(args: &Args, dir: &Path) -> anyhow::Result<Vec<Row>> {
    let remove = |stage| {
        let name = hooks::file_name(stage);
        let action = match hooks::is_ours(&dir.join(&name), stage) {
            true => place::remove(dir, &name, args.dry_run)?,
            false if dir.join(&name).symlink_metadata().is_ok() => Action::Foreign,
            false => Action::Absent,
        };
        Ok(Row::new(args, dir, &name, action))
    };
    STAGES.into_iter().map(remove).collect()
}

fn itself() -> anyhow::Result<File> {
    const SELF: &str = "/proc/self/exe";
    File::open(SELF).context(SELF)
}

/// The hook beside this program, or this program.
fn hook() -> anyhow::Result<File> {
    let beside = std::env::current_exe().context("this program's path")?.with_file_name(HOOK);
    match File::open(&beside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => itself(),
        other => other.with_context(|| beside.display().to_string()),
    }
}

/// The hooks and the specifications first, so that none is left without its program.
fn uninstall(args: &Args) -> anyhow::Result<Vec<Row>> {
    let mut rows = match &args.hooks_dir {
        Some(dir) => remove_hooks(args, dir)?,
        None => Vec::new(),
    };
    if let Some(dir) = &args.cdi_dir {
        for name in specs(dir)? {
            rows.push(Row::new(args, dir, &name, place::remove(dir, &name, args.dry_run)?));
        }
    }
    for name in [HOOK, PROGRAM] {
        let action = place::remove(&args.bin_dir, name, args.dry_run)?;
        rows.push(Row::new(args, &args.bin_dir, name, action));
    }
    if let Some(dir) = &args.run_dir {
        for name in RUN_FILES {
            rows.push(Row::new(args, dir, name, place::remove(dir, name, args.dry_run)?));
        }
        let action = place::remove_directory(dir, RUN_RESULTS, args.dry_run)?;
        rows.push(Row::new(args, dir, RUN_RESULTS, action));
    }
    Ok(rows)
}

/// The names of the agent's specifications in a directory of CDI, in their order. Each names the hook, without which no
/// container gets the device.
fn specs(directory: &Path) -> anyhow::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| directory.display().to_string())?,
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| spec_device(name).is_some()).collect();
    names.sort();
    Ok(names)
}

/// Runtimes refuse a hook whose path is relative.
fn hook_path(args: &Args) -> anyhow::Result<String> {
    let path = args.hook_path.clone().unwrap_or_else(|| args.bin_dir.join(HOOK));
    anyhow::ensure!(path.is_absolute(), "{}: the hook's path must be absolute", path.display());
    let text = path.to_str().map(str::to_owned);
    text.with_context(|| format!("{}: the hook's path must be UTF-8", path.display()))
}

impl Row {
    fn new(args: &Args, dir: &Path, name: &str, action: Action) -> Self {
        Self { file: dir.join(name), action, dry_run: args.dry_run }
    }

    fn text(&self) -> String {
        let file = self.file.display();
        match self.action {
            Action::Installed | Action::Removed if self.dry_run => {
                format!("{file}: dry run: nothing was done; it would be {}\n", self.action)
            }
            action => format!("{file}: {action}\n"),
        }
    }
}
