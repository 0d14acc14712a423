//! `fpgactl bitstream install`: into the store, complete or not at all.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use fpga::bitstream::Bitstream;
use fpga::store::{Error, Existing, Store};
use serde::Serialize;

use crate::args::StoreArgs;
use crate::output::{self, Form};
use crate::progress::Bytes;
use crate::status::Status;

/// Copy bitstream files into the store, under their ids
///
/// A copy is verified, flushed to disk and put in place in one step.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl bitstream install nlb_mode_3.gbs
  fpgactl bitstream install --dry-run *.gbs
  fpgactl bitstream install -q --force --store /mnt/fpga matrix.aocx")]
pub(crate) struct Args {
    /// Bitstream files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Replace what is installed
    #[arg(long)]
    force: bool,
    /// Do everything but the copying
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    store: StoreArgs,
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
struct Row<'a> {
    #[serde(serialize_with = "output::path")]
    file: &'a Path,
    #[serde(serialize_with = "output::path")]
    installation_path: PathBuf,
    installed: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Status> {
    let store = args.store.open();
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    let total = args.files.iter().map(|file| length(file)).sum();
    let bar = Bytes::new(total, args.quiet);
    let mut status = Status::Sound;
    let mut rows = Vec::new();
    for file in &args.files {
        bar.begin(file.display().to_string());
        let result = if args.dry_run {
            rehearse(&store, file, existing)
        } else {
            store.install(file, existing)
        };
        bar.advance(length(file));
        match result {
            Ok(installation_path) => {
                rows.push(Row { file, installation_path, installed: !args.dry_run });
            }
            Err(error) => {
                bar.suspend(|| output::complain(&error));
                status = Status::Failed;
            }
        }
    }
    bar.finish();
    if !args.quiet {
        output::form(args.output, &rows, |rows| rows.iter().map(Row::text).collect())?;
    }
    Ok(status)
}

impl Row<'_> {
    fn text(&self) -> String {
        let (file, path) = (self.file.display(), self.installation_path.display());
        if self.installed {
            format!("{file}: installed as {path}\n")
        } else {
            format!("{file}: dry run: nothing was copied; it would be installed as {path}\n")
        }
    }
}

/// All checks of an installation.
fn rehearse(store: &Store, file: &Path, existing: Existing) -> Result<PathBuf, Error> {
    let bitstream = Bitstream::open(file)?;
    let path = store.destination(&bitstream)?;
    bitstream.verify()?;
    // Also a dangling link is in the way.
    if existing == Existing::Keep && path.symlink_metadata().is_ok() {
        return Err(Error::Exists { path });
    }
    Ok(path)
}

/// 0 for a file that cannot be looked at: installing it says why.
fn length(file: &Path) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.len())
}
