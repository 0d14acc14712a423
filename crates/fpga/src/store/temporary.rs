//! A file under construction, and what a crash left of one.
//!
//! While its writer lives it holds an flock(2) on the file, which dies with the process: a file with
//! such a name that can be locked is nobody's any more.

use std::ffi::{CStr, CString};
use std::fs::{File, Permissions, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::install::Existing;

/// Such a name begins with a dot, so that nobody takes it for a bitstream.
const PREFIX: &str = ".install-";
/// More names in use than there can be writers.
const ATTEMPTS: usize = 1000;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A new file in a directory, whose temporary name is gone when this is dropped.
pub(super) struct Temporary<'a> {
    directory: &'a OwnedFd,
    name: CString,
    file: File,
    renamed: bool,
}

impl<'a> Temporary<'a> {
    /// Creates an empty file that only its owner may read.
    pub(super) fn create(directory: &'a OwnedFd) -> io::Result<Self> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        for _ in 0..ATTEMPTS {
            let serial = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = CString::new(format!("{PREFIX}{}-{serial}", process::id()))?;
            match openat(directory, name.as_c_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR) {
                // Another process, in another namespace of process ids.
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno.into()),
                Ok(descriptor) => {
                    let file = File::from(descriptor);
                    if own(&file)? {
                        return Ok(Self { directory, name, file, renamed: false });
                    }
                    // Somebody who cleans up was faster than the lock, and removes the file.
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Puts the file in place as `name`: complete, on disk, readable by all, in one step.
    pub(super) fn publish(mut self, name: &Path, existing: Existing) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(0o644))?;
        self.file.sync_all()?;
        let (directory, from) = (self.directory, self.name.as_c_str());
        match existing {
            Existing::Replace => {
                renameat(directory, from, directory, name)?;
                self.renamed = true;
            }
            // A link, unlike a rename, never replaces anything. The first name goes with the drop.
            Existing::Keep => linkat(directory, from, directory, name, AtFlags::empty())?,
        }
        sync(directory)
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            // What remains if this fails is removed by the next installation.
            let _ = remove(self.directory, &self.name);
        }
    }
}

/// Makes the names in `directory` durable.
pub(super) fn sync(directory: &OwnedFd) -> io::Result<()> {
    Ok(nix::unistd::fsync(directory)?)
}

/// Removes what writers left in `directory` that are no more.
pub(super) fn remove_leftovers(directory: &OwnedFd) -> io::Result<()> {
    for name in leftovers(directory)? {
        // Open for writing, because network file systems give an exclusive lock for nothing less.
        let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = match openat(directory, name.as_c_str(), flags, Mode::empty()) {
            Ok(descriptor) => File::from(descriptor),
            // Published or removed since, or made by somebody who is no writer of ours.
            Err(_) => continue,
        };
        if file.metadata()?.is_file() && own(&file)? {
            remove(directory, &name)?;
        }
    }
    Ok(())
}

fn leftovers(directory: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut listing =
        Dir::openat(directory, ".", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut names = Vec::new();
    for entry in listing.iter() {
        let name = entry?.file_name().to_owned();
        if name.to_bytes().starts_with(PREFIX.as_bytes()) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Takes the lock without waiting. False if somebody else has it or has removed the file.
fn own(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(file.metadata()?.nlink() > 0),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(cause)) => Err(cause),
    }
}

fn remove(directory: &OwnedFd, name: &CStr) -> io::Result<()> {
    match unlinkat(directory, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
