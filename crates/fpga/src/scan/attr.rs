//! Directories of sysfs and the attributes in them: bounded, never blocking, one read each.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::dir::Dir as Stream;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{AccessFlags, faccessat, read};

/// An attribute is made in one page (`Documentation/filesystems/sysfs.rst`).
const LIMIT: usize = 4096;

/// Why an attribute has no value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AttrError {
    /// The kernel's answer.
    #[error("{}", .0.desc())]
    Os(#[from] Errno),
    #[error("longer than {LIMIT} bytes")]
    TooLong,
    #[error("not UTF-8 text")]
    NotText,
}

/// A directory, held open so that its attributes are looked up from it and not from the root: the
/// path of a PCI device is ten directories long.
pub(super) struct Dir(OwnedFd);

impl Dir {
    pub(super) fn open(path: &Path) -> Result<Self, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self(openat(AT_FDCWD, path, flags, Mode::empty())?))
    }

    /// The directory `name` below this one; `None` when there is none.
    pub(super) fn sub(&self, name: &str) -> Result<Option<Self>, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        match openat(&self.0, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Self(fd))),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether there is an entry `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        faccessat(&self.0, name, AccessFlags::F_OK, AtFlags::empty()) != Err(Errno::ENOENT)
    }

    /// The attribute without the white space around it; `None` when there is none.
    pub(super) fn read(&self, name: &str) -> Result<Option<String>, AttrError> {
        // Not blocking, because a fifo in the place of an attribute must not stop the scan.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = match openat(&self.0, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::ENOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut page = [0; LIMIT + 1];
        let length = loop {
            match read(&file, &mut page) {
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

    /// The entries of `name` below this directory (`.` is itself) that are `prefix` and a number,
    /// ordered by the number.
    pub(super) fn numbered(&self, name: &str, prefix: &str) -> Result<Vec<String>, Errno> {
        Ok(numbered(&self.names(name)?, prefix))
    }

    /// The names in `name` below this directory. Those that are not UTF-8 are nobody's.
    pub(super) fn names(&self, name: &str) -> Result<Vec<String>, Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut stream = Stream::openat(&self.0, name, flags, Mode::empty())?;
        let names =
            stream.iter().map(|entry| Ok(entry?.file_name().to_str().ok().map(str::to_owned)));
        names.filter_map(Result::transpose).collect()
    }
}

/// The `names` that are `prefix` and a decimal number, ordered by the number.
pub(super) fn numbered(names: &[String], prefix: &str) -> Vec<String> {
    let number = |name: &str| {
        let digits = name.strip_prefix(prefix)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u32>().ok())?
    };
    let mut found: Vec<_> = names.iter().filter_map(|name| Some((number(name)?, name))).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, name)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn fixture() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        (temp, dir)
    }

    #[test]
    fn a_value_is_trimmed() {
        let (temp, dir) = fixture();
        fs::write(temp.path().join("id"), " 7\n").unwrap();
        assert_eq!(dir.read("id"), Ok(Some("7".to_owned())));
    }

    #[test]
    fn what_is_not_there_has_no_value_and_is_no_error() {
        let (temp, dir) = fixture();
        assert_eq!(dir.read("id"), Ok(None));
        std::os::unix::fs::symlink("gone", temp.path().join("dangling")).unwrap();
        assert_eq!(dir.read("dangling"), Ok(None));
        assert!(dir.sub("errors").unwrap().is_none());
    }

    #[test]
    fn a_page_is_read_and_not_a_byte_more() {
        let (temp, dir) = fixture();
        fs::write(temp.path().join("page"), "1".repeat(LIMIT)).unwrap();
        assert_eq!(dir.read("page"), Ok(Some("1".repeat(LIMIT))));
        fs::write(temp.path().join("more"), "1".repeat(LIMIT + 1)).unwrap();
        assert_eq!(dir.read("more"), Err(AttrError::TooLong));
        std::os::unix::fs::symlink("/dev/zero", temp.path().join("endless")).unwrap();
        assert_eq!(dir.read("endless"), Err(AttrError::TooLong));
    }

    #[test]
    fn other_files_are_errors_and_none_of_them_blocks() {
        let (temp, dir) = fixture();
        fs::write(temp.path().join("bytes"), [0xff, 0xfe]).unwrap();
        assert_eq!(dir.read("bytes"), Err(AttrError::NotText));
        fs::create_dir(temp.path().join("directory")).unwrap();
        assert_eq!(dir.read("directory"), Err(AttrError::Os(Errno::EISDIR)));
        nix::unistd::mkfifo(&temp.path().join("fifo"), Mode::S_IRWXU).unwrap();
        assert_eq!(dir.read("fifo"), Ok(Some(String::new())));
    }

    #[test]
    fn numbered_names_are_in_the_order_of_their_numbers() {
        let (temp, dir) = fixture();
        for name in ["p.10", "p.2", "p.0", "p.", "p.1x", "p.+1", "q.1", "p.99999999999"] {
            fs::write(temp.path().join(name), "").unwrap();
        }
        assert_eq!(
            dir.numbered(".", "p."),
            Ok(vec!["p.0".to_owned(), "p.2".to_owned(), "p.10".to_owned()])
        );
        assert_eq!(dir.numbered("missing", "p."), Err(Errno::ENOENT));
    }
}
