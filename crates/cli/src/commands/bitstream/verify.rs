//! `fpgactl bitstream verify`: everything that can be checked.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use fpga::bitstream::Bitstream;
use fpga::store::{Entry, Error, Store};
use serde::Serialize;

use crate::args::StoreArgs;
use crate::output::{self, Form};
use crate::progress::{Bytes, size};
use crate::status::Status;

/// Read bitstreams to their end and check them: those of the store, or the given files
///
/// A file of the store must also have the name that its ids give. A GBS has no checksum, so that only its description
/// and its length can be checked; an AOCX is inflated and its checksum compared.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl bitstream verify
  fpgactl bitstream verify -o json --store /mnt/fpga
  fpgactl bitstream verify matrix.aocx")]
pub(crate) struct Args {
    /// Files to check instead of the store's
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
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
struct Row {
    #[serde(serialize_with = "output::path")]
    file: PathBuf,
    sound: bool,
    image_bytes: Option<u64>,
    error: Option<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Status> {
    let store = args.store.open();
    let jobs: Vec<Job> = if args.files.is_empty() {
        store.list()?.into_iter().map(Box::new).map(Job::Stored).collect()
    } else {
        args.files.iter().cloned().map(Job::File).collect()
    };
    if jobs.is_empty() {
        output::complain(super::nothing(&store));
        return Ok(Status::Nothing);
    }
    let bar = Bytes::new(jobs.iter().map(|job| length(job.path())).sum(), args.quiet);
    let mut rows = Vec::new();
    for job in jobs {
        let file = job.path().to_owned();
        bar.begin(file.display().to_string());
        let result = job.verify(&store);
        bar.advance(length(&file));
        if let Err(error) = &result {
            bar.suspend(|| output::complain(error));
        }
        rows.push(Row {
            sound: result.is_ok(),
            image_bytes: result.as_ref().ok().copied(),
            error: result.err().map(|error| error.to_string()),
            file,
        });
    }
    bar.finish();
    if !args.quiet {
        output::form(args.output, &rows, |rows| rows.iter().map(Row::text).collect())?;
    }
    Ok(if rows.iter().all(|row| row.sound) { Status::Sound } else { Status::Diagnosed })
}

/// What is to be checked.
enum Job {
    File(PathBuf),
    Stored(Box<Entry>),
}

impl Job {
    fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Stored(entry) => &entry.path,
        }
    }

    /// Gives the length of the image.
    fn verify(self, store: &Store) -> Result<u64, Error> {
        let bitstream = match self {
            Self::File(path) => Bitstream::open(path)?,
            Self::Stored(entry) => {
                let summary = entry.summary?;
                store.find(summary.interface_id, summary.image_id)?
            }
        };
        bitstream.interface_id()?;
        bitstream.image_id()?;
        bitstream.afu_id()?;
        Ok(bitstream.verify()?)
    }
}

impl Row {
    fn text(&self) -> String {
        let file = self.file.display();
        match self.image_bytes {
            Some(bytes) => format!("{file}: sound, an image of {}\n", size(bytes)),
            None => format!("{file}: not usable\n"),
        }
    }
}

/// 0 for a file that cannot be looked at: verifying it says why.
fn length(file: &Path) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.len())
}
