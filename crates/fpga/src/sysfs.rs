//! Attributes of sysfs: bounded, never blocking, one read and one write each.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::dir::Dir as Stream;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{AccessFlags, faccessat};

/// An attribute is made in one page (`Documentation/filesystems/sysfs.rst`).
const LIMIT: usize = 4096;

/// Why an attribute has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttrError {
    /// The kernel's answer.
    #[error("{}", .0.desc())]
    Os(#[from] Errno),
    /// It has more than the page that sysfs allows.
    #[error("longer than {LIMIT} bytes")]
    TooLong,
    /// Its bytes are not text.
    #[error("not UTF-8 text")]
    NotText,
}

/// The attribute at `path` without the white space around it; `None` when there is none.
///
/// # Errors
/// It cannot be read, or is not a page of text.
pub fn read(path: &Path) -> Result<Option<String>, AttrError> {
    read_at(AT_FDCWD, path)
}

/// The number in the attribute at `path`, as [`number`] reads it. `None` when there is no such attribute or
/// no number in it.
///
/// # Errors
/// As [`read`].
pub fn read_number(path: &Path) -> Result<Option<u64>, AttrError> {
    Ok(read(path)?.as_deref().and_then(number))
}

/// Writes `value`, as a rule a text, to the attribute at `path`, which must be there.
///
/// # Errors
/// The kernel's answer, which for many attributes is the driver's.
pub fn write(path: &Path, value: impl AsRef<[u8]>) -> Result<(), Errno> {
    // Truncated, because the attributes of a fake tree are plain files.
    let file = OpenOptions::new().write(true).truncate(true).open(path);
    file.and_then(|mut file| file.write_all(value.as_ref())).map_err(|error| errno(&error))
}

/// A number as the kernel prints it: decimal, or hexadecimal after `0x`.
#[must_use]
pub fn number(text: &str) -> Option<u64> {
    let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |hex| (hex, 16));
    // `from_str_radix` takes a sign, which the kernel never prints here.
    (!digits.starts_with('+')).then(|| u64::from_str_radix(digits, radix).ok())?
}

/// The kernel's number of an error; only a path with a NUL byte fails without one.
pub(crate) fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw)
}

fn read_at(
    directory: impl AsFd,
    path: &(impl nix::NixPath + ?Sized),
) -> Result<Option<String>, AttrError> {
    // Not blocking, because a FIFO in the place of an attribute must not stop anybody.
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = match openat(directory, path, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::ENOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut page = [0; LIMIT + 1];
    let length = loop {
        match nix::unistd::read(&file, &mut page) {
            Err(Errno::EINTR) => {}
            // The driver may answer that there is none (`compat_id_show` in fpga-region.c).
            Err(Errno::ENOENT) => return Ok(None),
            result => break result?,
        }
    };
    if length > LIMIT {
        return Err(AttrError::TooLong);
    }
    let text = std::str::from_utf8(&page[..length]).map_err(|_| AttrError::NotText)?;
    Ok(Some(text.trim().to_owned()))
}

/// A directory, held open so that its attributes are looked up from it and not from the root: the
/// path of a PCI device is ten directories long.
pub(crate) struct Dir(OwnedFd);

impl Dir {
    pub(crate) fn open(path: &Path) -> Result<Self, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self(openat(AT_FDCWD, path, flags, Mode::empty())?))
    }

    /// The directory `name` below this one; `None` when there is none.
    pub(crate) fn sub(&self, name: &str) -> Result<Option<Self>, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        match openat(&self.0, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Self(fd))),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether there is an entry `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        faccessat(&self.0, name, AccessFlags::F_OK, AtFlags::empty()) != Err(Errno::ENOENT)
    }

    /// The attribute without the white space around it; `None` when there is none.
    pub(crate) fn read(&self, name: &str) -> Result<Option<String>, AttrError> {
        read_at(&self.0, name)
    }

    /// The entries of `name` below this directory (`.` is itself) that are `prefix` and a number,
    /// ordered by the number.
    pub(crate) fn numbered(&self, name: &str, prefix: &str) -> Result<Vec<String>, Errno> {
        Ok(numbered(&self.names(name)?, prefix))
    }

    /// The names in `name` below this directory. Those that are not UTF-8 are nobody's.
    pub(crate) fn names(&self, name: &str) -> Result<Vec<String>, Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut stream = Stream::openat(&self.0, name, flags, Mode::empty())?;
        let names =
            stream.iter().map(|entry| Ok(entry?.file_name().to_str().ok().map(str::to_owned)));
        names.filter_map(Result::transpose).collect()
    }
}

/// The `names` that are `prefix` and a decimal number, ordered by the number.
pub(crate) fn numbered(names: &[String], prefix: &str) -> Vec<String> {
    let number = |name: &str| {
        let digits = name.strip_prefix(prefix)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u32>().ok())?
    };
    let mut found: Vec<_> = names.iter().filter_map(|name| Some((number(name)?, name))).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, name)| name.clone()).collect()
}

#[cfg(test)]
mod tests;
