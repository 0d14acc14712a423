//! Small files that are written whole and read up to a limit.
//!
//! A reader of a file that [`replace`] writes sees the old contents or the new ones, never a part, and
//! after a crash one of the two is there.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::Uid;

mod temporary;

pub use temporary::Existing;
pub(crate) use temporary::{Temporary, remove_leftovers, sync};

/// How the name of a file that [`replace`] has not completed yet ends. The name begins with a dot and
/// with the name that the file will have.
pub const TEMPORARY: &str = ".tmp";

/// Puts `contents` at `path` with these permission bits, whatever the umask is: written beside it,
/// flushed, renamed, and the directory flushed. A link at `path` is replaced and not followed. What
/// earlier writers of this file left when they were killed is removed.
///
/// # Errors
/// The directory is missing, or the file cannot be written or take its place.
pub fn replace(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let stem = [b".", name.as_bytes(), b"."].concat();
    let directory = File::open(directory_of(path))?.into();
    remove_leftovers(&directory, &stem)?;
    let temporary = Temporary::create(&directory, &stem)?;
    temporary.file().write_all(contents)?;
    temporary.publish(Path::new(name), mode, Existing::Replace)
}

/// The directory that `path` is in.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// True where `path` is a regular file, not a link, that holds exactly `contents`.
#[must_use]
pub fn holds(path: &Path, contents: &[u8]) -> bool {
    let is_plain = |found: fs::Metadata| found.is_file() && found.len() == contents.len() as u64;
    fs::symlink_metadata(path).is_ok_and(is_plain)
        && read(path, contents.len() as u64).is_ok_and(|found| found == contents)
}

/// Makes the directory and those above it that are missing, with mode 0755 whatever the umask is: what
/// is in them is for other users, too.
///
/// # Errors
/// One of them cannot be made, or is there and is not a directory.
pub fn make_directories(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directories(parent)?;
    }
    match DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => {
            fs::set_permissions(path, Permissions::from_mode(0o755))?;
            File::open(directory_of(path))?.sync_all()
        }
        // Somebody else made it meanwhile.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// True of a file that somebody other than root or the current user could have written.
#[must_use]
pub fn is_writable_by_others(status: &Metadata) -> bool {
    let user = Uid::effective().as_raw();
    (status.uid() != 0 && status.uid() != user) || status.mode() & 0o022 != 0
}

/// Opens a regular file for reading. Anything else is not even opened: with a FIFO that would wait for a
/// writer, with a device node the driver would notice.
///
/// # Errors
/// It cannot be opened, or is not a regular file ([`io::ErrorKind::InvalidInput`]).
pub fn open(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    // Should a FIFO take its place in between.
    OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)
}

/// All of the regular file at `path`, if it has at most `limit` bytes.
///
/// # Errors
/// As [`open`] and [`read_from`].
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_from(open(path)?, limit)
}

/// All of `source`, if it has at most `limit` bytes. Of a longer one, one byte more is read.
///
/// # Errors
/// It cannot be read, or is longer ([`io::ErrorKind::FileTooLarge`]).
pub fn read_from(source: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    source.take(limit.saturating_add(1)).read_to_end(&mut contents)?;
    if contents.len() as u64 > limit {
        let message = format!("longer than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(contents)
}

#[cfg(test)]
mod tests;
