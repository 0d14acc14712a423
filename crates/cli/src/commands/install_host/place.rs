//! Puts files in place: complete, on disk, in one step, by one installer at a time.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fpga::files;
use serde::Serialize;

/// What was done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    Installed,
    Unchanged,
    Removed,
    Absent,
}

/// A directory that files go into, locked against other installers until it is dropped.
pub(super) struct Directory {
    path: PathBuf,
    /// Absent in a dry run.
    lock: Option<File>,
}

impl Directory {
    pub(super) fn open(path: &Path, dry_run: bool) -> anyhow::Result<Self> {
        let path = path.to_owned();
        if dry_run {
            return Ok(Self { path, lock: None });
        }
        let lock = || {
            files::make_directories(&path)?;
            let directory = File::open(&path)?;
            directory.lock()?;
            Ok(directory)
        };
        let lock = lock().map_err(|error: io::Error| failed(&path, "open the directory", error))?;
        Ok(Self { path, lock: Some(lock) })
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
        })
    }
}
