//! `fpgactl install-host`: puts this program and the runtime's hooks on the host.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args as ClapArgs;
use serde::Serialize;

mod hooks;
mod place;

use crate::output::{self, Form};
use crate::status::Status;
use hooks::{Hook, STAGES};
use place::{Action, Directory};

/// The name of the program on the host.
const PROGRAM: &str = "fpgactl";

/// Put this program on the host, and if asked the hooks of a runtime without CDI
///
/// The program is the runtime hook, which the specifications in /var/run/cdi name by its path. Runtimes that know no CDI
/// find it by the files in --hooks-dir. What is in place already is left alone; the rest is replaced in one step, so
/// that a container starting meanwhile finds the old program or the new one.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl install-host
  fpgactl install-host --hooks-dir /etc/containers/oci/hooks.d
  fpgactl install-host --bin-dir /host/opt/intel/fpga-sw --hook-path /opt/intel/fpga-sw/fpgactl
  fpgactl install-host --uninstall --hooks-dir /etc/containers/oci/hooks.d")]
pub(crate) struct Args {
    /// Where the program goes; made if it is missing
    #[arg(long, value_name = "DIR", default_value = "/opt/intel/fpga-sw")]
    bin_dir: PathBuf,
    /// Where the hooks of CRI-O or Podman without CDI go; without it there are none
    #[arg(long, value_name = "DIR")]
    hooks_dir: Option<PathBuf>,
    /// The program as the runtime on the host finds it, if --bin-dir is only where this container sees it
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
    /// Remove the hooks and the program instead
    #[arg(long)]
    uninstall: bool,
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

/// The names are those of `-o json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
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

/// The program first, so that no hook names one that is not there.
fn install(args: &Args) -> anyhow::Result<Vec<Row>> {
    const SELF: &str = "/proc/self/exe";
    let mut itself = File::open(SELF).context(SELF)?;
    let mode = place::mode(&itself).context(SELF)?;
    let bin = Directory::open(&args.bin_dir, args.dry_run)?;
    let mut rows =
        vec![Row::new(args, &args.bin_dir, PROGRAM, bin.install(PROGRAM, &mut itself, mode)?)];
    if let Some(dir) = &args.hooks_dir {
        let path = hook_path(args)?;
        let hooks = Directory::open(dir, args.dry_run)?;
        for stage in STAGES {
            let hook = Hook::new(&path, stage, &args.hook_args, args.hook_timeout);
            let name = hooks::file_name(stage);
            let action = hooks.install(&name, &mut hook.to_bytes()?.as_slice(), 0o644)?;
            rows.push(Row::new(args, dir, &name, action));
        }
    }
    Ok(rows)
}

/// The hooks first, so that none is left without its program.
fn uninstall(args: &Args) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    if let Some(dir) = &args.hooks_dir {
        for stage in STAGES {
            let name = hooks::file_name(stage);
            rows.push(Row::new(args, dir, &name, place::remove(dir, &name, args.dry_run)?));
        }
    }
    let action = place::remove(&args.bin_dir, PROGRAM, args.dry_run)?;
    rows.push(Row::new(args, &args.bin_dir, PROGRAM, action));
    Ok(rows)
}

/// Runtimes refuse a hook whose path is relative.
fn hook_path(args: &Args) -> anyhow::Result<String> {
    let path = args.hook_path.clone().unwrap_or_else(|| args.bin_dir.join(PROGRAM));
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
