//! Single attributes of sysfs, by path.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

/// An attribute is made in one page (`Documentation/filesystems/sysfs.rst`).
const PAGE: usize = 4096;

/// The attribute without the white space around it; `None` when there is none. At most a page of it
/// is read, and what is not UTF-8 is replaced.
pub(super) fn read(path: &Path) -> Result<Option<String>, Errno> {
    let mut page = [0; PAGE];
    match open(path).and_then(|mut file| read_once(&mut file, &mut page)) {
        Ok(length) => Ok(Some(String::from_utf8_lossy(&page[..length]).trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(errno(&error)),
    }
}

/// sysfs makes the whole attribute for the first read.
fn read_once(file: &mut File, page: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(page) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A register, as the drivers print it: hexadecimal after `0x`, else decimal. `None` when there is no
/// such attribute or no number in it.
pub(super) fn register(path: &Path) -> Result<Option<u64>, Errno> {
    let Some(text) = read(path)? else { return Ok(None) };
    Ok(match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    })
}

/// Writes `text` to an attribute that is there.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Errno> {
    // Truncated, because the attributes of a fake tree are plain files.
    let file = OpenOptions::new().write(true).truncate(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| errno(&error))
}

/// Without blocking, because a fifo in the place of an attribute must not stop anybody.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)
}

/// The kernel's number; only a path with a NUL byte fails without one.
pub(super) fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn registers_are_hexadecimal_or_decimal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("errors");
        assert_eq!(register(&path), Ok(None));
        for (text, value) in [("0x10\n", Some(16)), ("10\n", Some(10)), ("", None), ("0xg", None)] {
            fs::write(&path, text).unwrap();
            assert_eq!(register(&path), Ok(value), "{text:?}");
        }
    }

    #[test]
    fn a_write_replaces_the_text_and_makes_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("unbind");
        assert_eq!(write(&path, "x"), Err(Errno::ENOENT));
        fs::write(&path, "a longer text").unwrap();
        assert_eq!(write(&path, "x"), Ok(()));
        assert_eq!(read(&path), Ok(Some("x".to_owned())));
    }
}
