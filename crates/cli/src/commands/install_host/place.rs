//! Puts files in place: complete, on disk, in one step, by one installer at a time.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fpga::files;
use serde::Serialize;

/// Between two attempts to lock a directory.
const POLL: Duration = Duration::from_millis(50);

/// What was done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    Installed,
    Unchanged,
    Removed,
    Absent,
    /// Somebody else's, and still there.
    Foreign,
}

/// A directory that files go into, locked against other installers until it is dropped.
pub(super) struct Directory {
    path: PathBuf,
    /// Absent in a dry run.
    lock: Option<File>,
}

impl Directory {
    pub(super) fn open(path: &Path, dry_run: bool, patience: Duration) -> anyhow::Result<Self> {
        let lock = match dry_run {
            true => None,
            false => Some(lock(path, make(path)?, patience)?),
        };
        Ok(Self { path: path.to_owned(), lock })
    }

    /// Another directory, which may be the same one: a lock keeps out its own holder, too.
    pub(super) fn beside(
        &self,
        path: &Path,
        dry_run: bool,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let Some(held) = &self.lock else { return Self::open(path, dry_run, patience) };
        let directory = make(path)?;
        let is_same = same(held, &directory);
        let is_same = is_same.map_err(|error| failed(path, "open the directory", error))?;
        let lock = match is_same {
            true => held.try_clone().map_err(|error| failed(path, "open the directory", error))?,
            false => lock(path, directory, patience)?,
        };
        Ok(Self { path: path.to_owned(), lock: Some(lock) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file `name` have these contents and this mode.
    pub(super) fn install(
        &self,
        name: &str,
        contents: &mut dyn Read,
        mode: u32,
    ) -> anyhow::Result<Action> {
        let path = self.path.join(name);
        let mut bytes = Vec::new();
        contents.read_to_end(&mut bytes).with_context(|| format!("reading what becomes {name}"))?;
        if is_in_place(&path, &bytes, mode) {
            return Ok(Action::Unchanged);
        }
        if self.lock.is_some() {
            files::replace(&path, &bytes, mode)
                .map_err(|error| failed(&path, "install it", error))?;
        }
        Ok(Action::Installed)
    }
}

/// Another installer keeps a directory.
#[derive(Debug, thiserror::Error)]
#[error("{}: another installer has it locked: gave up after {} s", path.display(), waited.as_secs())]
pub(crate) struct Locked {
    path: PathBuf,
    waited: Duration,
}

fn make(path: &Path) -> anyhow::Result<File> {
    let made = files::make_directories(path).and_then(|()| File::open(path));
    made.map_err(|error| failed(path, "open the directory", error))
}

fn same(one: &File, other: &File) -> io::Result<bool> {
    let id = |file: &File| file.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
    Ok(id(one)? == id(other)?)
}

fn lock(path: &Path, directory: File, patience: Duration) -> anyhow::Result<File> {
    let started = Instant::now();
    let mut is_told = false;
    loop {
        match directory.try_lock() {
            Ok(()) => return Ok(directory),
            Err(TryLockError::WouldBlock) if started.elapsed() >= patience => {
                return Err(Locked { path: path.to_owned(), waited: patience }.into());
            }
            Err(TryLockError::WouldBlock) => {
                if !is_told {
                    crate::output::complain(format_args!(
                        "{}: another installer has it locked: waiting",
                        path.display()
                    ));
                    is_told = true;
                }
                thread::sleep(POLL);
            }
            Err(TryLockError::Error(error)) => {
                return Err(failed(path, "lock the directory", error));
            }
        }
    }
}

/// Removes the file `name` of `dir`.
pub(super) fn remove(dir: &Path, name: &str, dry_run: bool) -> anyhow::Result<Action> {
    let path = dir.join(name);
    if !dry_run {
        let result = fs::remove_file(&path).and_then(|()| File::open(dir)?.sync_all());
        return match result {
            Ok(()) => Ok(Action::Removed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Action::Absent),
            Err(error) => Err(failed(&path, "remove it", error)),
        };
    }
    Ok(if path.symlink_metadata().is_ok() { Action::Removed } else { Action::Absent })
}

/// Removes the directory `name` of `dir` with what is in it.
pub(super) fn remove_directory(dir: &Path, name: &str, dry_run: bool) -> anyhow::Result<Action> {
    let path = dir.join(name);
    if !path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return Ok(Action::Absent);
    }
    if !dry_run {
        fs::remove_dir_all(&path).map_err(|error| failed(&path, "remove it", error))?;
    }
    Ok(Action::Removed)
}

/// The permissions of a file, without the bits that change who runs it.
pub(super) fn mode(file: &File) -> io::Result<u32> {
    Ok(file.metadata()?.permissions().mode() & 0o777)
}

/// A link in the place is replaced, whatever it leads to.
fn is_in_place(path: &Path, bytes: &[u8], mode: u32) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.permissions().mode() & 0o7777 == mode)
        && files::holds(path, bytes)
}

fn failed(path: &Path, operation: &str, error: io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("{}: cannot {operation}", path.display()))
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Installed => "installed",
            Self::Unchanged => "in place already",
            Self::Removed => "removed",
            Self::Absent => "not there",
            Self::Foreign => "left alone: it is not a hook of ours",
        })
    }
}
