//! What the runtime hook did, for who counts it: a small file for each run, in a directory that the reader
//! makes and empties.
//!
//! Nobody waits for a record and nobody trusts one. The hook leaves it only where somebody listens, which
//! is where the directory is, and only as long as few are there; that it cannot be written is no failure.
//! The reader takes words and bounded numbers out of it, and removes it whatever is in it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;
use std::process;
use std::time::{Duration, SystemTime};

use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use crate::files;

/// Where the hook and the agent have the records by default.
pub const DEFAULT_DIRECTORY: &str = "/run/kube-fpga/hook-results";
/// The most records that wait to be read.
pub const MOST: usize = 256;
/// The largest record, in bytes.
pub const LARGEST: u64 = 4096;
/// The most programmings of one run: a container has no more regions.
pub const MOST_PROGRAMMINGS: usize = 64;
/// No run is longer, as far as a record may say.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
const SUFFIX: &str = ".json";

/// One run of the hook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// When the runtime ran it.
    pub stage: Stage,
    /// How it ended.
    pub result: RunResult,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// The regions that were programmed: how long the driver took for each, in milliseconds.
    pub programmed: Vec<u64>,
}

/// When a runtime runs the hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Before a container starts.
    Create,
    /// After it ended.
    Clean,
}

/// How a run ended: the hook's exit codes in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    /// All is as asked.
    Done,
    /// Anything that has no word of its own.
    Failed,
    /// A device is gone, or is another one.
    Gone,
    /// A card or port is locked or in use.
    Busy,
    /// There is no usable bitstream.
    Bitstream,
    /// Programming failed, or brought another function than asked.
    Programming,
    /// A region is disabled since a programming that failed.
    Disabled,
    /// The container's configuration is wrong.
    Input,
    /// The function is not granted to the container's namespace.
    NotGranted,
}

/// What a look into the directory brought.
#[derive(Debug, Default, PartialEq)]
pub struct Taken {
    /// The records that were well formed; they are removed.
    pub records: Vec<Record>,
    /// How many files were not records.
    pub malformed: u64,
}

impl Record {
    /// Leaves the record in `directory`, if that is there, belongs to this user and is writable by nobody
    /// else. True when it did; false when nobody listens or too many records wait.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn leave(&self, directory: &Path) -> io::Result<bool> {
        match fs::symlink_metadata(directory) {
            Ok(found) if is_ours(&found) => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
        if fs::read_dir(directory)?.take(MOST).count() >= MOST {
            return Ok(false);
        }
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = format!("{}-{}{SUFFIX}", process::id(), time.as_nanos());
        files::replace(&directory.join(name), &serde_json::to_vec(self)?, 0o600)?;
        Ok(true)
    }

    /// How long the run took.
    #[must_use]
    pub fn took(&self) -> Duration {
        bounded(self.milliseconds)
    }

    /// How long the driver took for each region that was programmed.
    pub fn programmings(&self) -> impl Iterator<Item = Duration> {
        self.programmed.iter().take(MOST_PROGRAMMINGS).copied().map(bounded)
    }
}

/// Makes the directory, for its owner alone.
///
/// # Errors
/// When it cannot be made, or is there and belongs to somebody else or can be written by others.
pub fn make_directory(directory: &Path) -> io::Result<()> {
    if let Some(above) = directory.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(above)?;
    }
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if is_ours(&fs::symlink_metadata(directory)?) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        "it is another user's, or others can write there",
    ))
}

/// Reads and removes the records in `directory`, in no particular order, and what is none. Of more than
/// [`MOST`] files the rest stays for the next time.
///
/// # Errors
/// When the directory cannot be read.
pub fn take(directory: &Path) -> io::Result<Taken> {
    let mut taken = Taken::default();
    for entry in fs::read_dir(directory)?.take(MOST) {
        let name = entry?.file_name();
        let path = directory.join(&name);
        // Whoever writes one now renames it next; who died over it, does not.
        if name.as_encoded_bytes().starts_with(b".") && is_fresh(&path) {
            continue;
        }
        match read(&path) {
            Ok(record) => taken.records.push(record),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(_) => taken.malformed += 1,
        }
        // A directory in the way is not ours to remove: it is counted each time.
        let _ = fs::remove_file(&path);
    }
    Ok(taken)
}

fn is_ours(found: &fs::Metadata) -> bool {
    found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0
}

fn is_fresh(path: &Path) -> bool {
    const WRITING: Duration = Duration::from_secs(60);
    let modified = fs::symlink_metadata(path).and_then(|found| found.modified());
    modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age < WRITING))
}

fn read(path: &Path) -> io::Result<Record> {
    if fs::symlink_metadata(path)?.is_symlink() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    parse(&files::read(path, LARGEST)?)
}

/// Reads a record out of text that anybody may have written.
///
/// # Errors
/// When it is none.
pub fn parse(text: &[u8]) -> io::Result<Record> {
    let record: Record = serde_json::from_slice(text)?;
    if record.programmed.len() > MOST_PROGRAMMINGS {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(record)
}

fn bounded(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds).min(LONGEST)
}

impl Stage {
    /// The word in a record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Clean => "clean",
        }
    }
}

impl RunResult {
    /// The word in a record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Gone => "gone",
            Self::Busy => "busy",
            Self::Bitstream => "bitstream",
            Self::Programming => "programming",
            Self::Disabled => "disabled",
            Self::Input => "input",
            Self::NotGranted => "not_granted",
        }
    }
}

#[cfg(test)]
mod tests;
