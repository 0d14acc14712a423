//! A file under construction, and what a crash left of one.
//!
//! While its writer lives it holds an flock(2) on the file, which dies with the process: a file with
//! such a name that can be locked is an abandoned one.

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

use super::TEMPORARY;

/// More names in use than there can be writers.
const ATTEMPTS: usize = 1000;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// What to do with a file that is in the place already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// Keep it and refuse the new one.
    #[default]
    Keep,
    /// Replace it. Whoever has it open keeps the old one.
    Replace,
}

/// A new file in a directory, whose temporary name is gone when this is dropped.
pub(crate) struct Temporary<'a> {
    directory: &'a OwnedFd,
    name: CString,
    file: File,
    renamed: bool,
}

impl<'a> Temporary<'a> {
    /// Creates an empty file that only its owner may read. Its name begins with `stem`, which begins with
    /// a dot, so that nobody takes it for a complete one.
    pub(crate) fn create(directory: &'a OwnedFd, stem: &[u8]) -> io::Result<Self> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        for _ in 0..ATTEMPTS {
            let serial = NEXT.fetch_add(1, Ordering::Relaxed);
            let end = format!("{}-{serial}{TEMPORARY}", process::id());
            let name = CString::new([stem, end.as_bytes()].concat())?;
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

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Puts the file in place as `name`: complete, on disk, with these permission bits, in one step.
    pub(crate) fn publish(mut self, name: &Path, mode: u32, existing: Existing) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(mode))?;
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
pub(crate) fn sync(directory: &OwnedFd) -> io::Result<()> {
    Ok(nix::unistd::fsync(directory)?)
}

/// Removes the files in `directory` whose names begin with `stem` and whose writers have ended.
pub(crate) fn remove_leftovers(directory: &OwnedFd, stem: &[u8]) -> io::Result<()> {
    for name in leftovers(directory, stem)? {
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

fn leftovers(directory: &OwnedFd, stem: &[u8]) -> io::Result<Vec<CString>> {
    let mut listing =
        Dir::openat(directory, ".", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut names = Vec::new();
    for entry in listing.iter() {
        let name = entry?.file_name().to_owned();
        if name.to_bytes().strip_prefix(stem).is_some_and(is_unique_part) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Two numbers, as [`Temporary::create`] has them.
fn is_unique_part(end: &[u8]) -> bool {
    let end = end.strip_suffix(TEMPORARY.as_bytes()).unwrap_or(end);
    end.contains(&b'-')
        && end
            .split(|byte| *byte == b'-')
            .all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
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
