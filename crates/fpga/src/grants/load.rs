//! Reading a file of grants, and deciding whether it may be believed.

use std::fs::{Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::Uid;

use super::{Document, Error, Grants, VERSION};
use crate::files;

/// More than a hundred bytes for each of fifty thousand grants.
const LIMIT: u64 = 8 << 20;
/// Write permission of the group and of all others.
const WRITABLE: u32 = 0o022;
/// The permission bits of a mode.
const PERMISSIONS: u32 = 0o7777;

impl Grants {
    /// Reads the file at `path`, if only root or the current user can have written it.
    ///
    /// # Errors
    /// It cannot be read, is another's or writable by others, no regular file, longer than 8 MiB, or
    /// malformed.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let io = |operation| {
            move |cause: io::Error| Error::Io { path: path.to_owned(), operation, cause }
        };
        // A FIFO would otherwise block until somebody writes to it.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(path)
            .map_err(io("open it"))?;
        let status = file.metadata().map_err(io("examine it"))?;
        check(path, &status, Uid::effective().as_raw())?;
        let text = files::read_from(file, LIMIT).map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => Error::TooLong { path: path.to_owned(), limit: LIMIT },
            _ => io("read it")(error),
        })?;
        parse(path, &text)
    }
}

fn check(path: &Path, status: &Metadata, user: u32) -> Result<(), Error> {
    let path = || path.to_owned();
    if !status.is_file() {
        return Err(Error::NotRegular { path: path() });
    }
    let owner = status.uid();
    if owner != 0 && owner != user {
        return Err(Error::Owner { path: path(), owner, user });
    }
    let mode = status.mode() & PERMISSIONS;
    if mode & WRITABLE != 0 {
        return Err(Error::Writable { path: path(), mode });
    }
    Ok(())
}

fn parse(path: &Path, text: &[u8]) -> Result<Grants, Error> {
    let document: Document = serde_json::from_slice(text)
        .map_err(|cause| Error::Malformed { path: path.to_owned(), cause })?;
    if document.version != VERSION {
        return Err(Error::Version {
            path: path.to_owned(),
            version: document.version,
            expected: VERSION,
        });
    }
    Ok(Grants { namespaces: document.namespaces })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    const GOOD: &str = r#"{"version":1,"namespaces":{"vision":[{
        "interfaceId":"69528DB6-EB31-577A-8C36-68F9FAA081F6",
        "afuId":"f7df405cbd7acf7222f144b0b93acd18"}],"*":[]}}"#;

    struct Fixture {
        dir: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Self {
            Self { dir: tempfile::tempdir().unwrap() }
        }

        fn file(&self, text: &str) -> PathBuf {
            let path = self.dir.path().join("grants.json");
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            path
        }
    }

    #[track_caller]
    fn rejects(text: &str, reason: &str) {
        let fixture = Fixture::new();
        let error = Grants::load(fixture.file(text)).unwrap_err().to_string();
        assert!(error.contains("grants.json: ") && error.contains(reason), "{error}");
    }

    #[test]
    fn accepts_what_is_written_by_hand() {
        let fixture = Fixture::new();
        let grants = Grants::load(fixture.file(GOOD)).unwrap();
        assert!(grants.allows(
            "vision",
            "69528db6eb31577a8c3668f9faa081f6".parse().unwrap(),
            "f7df405cbd7acf7222f144b0b93acd18".parse().unwrap()
        ));
    }

    #[test]
    fn rejects_what_is_malformed() {
        rejects("", "EOF");
        rejects("[]", "expected struct");
        rejects(r#"{"version":1}"#, "missing field `namespaces`");
        rejects(r#"{"version":2,"namespaces":{}}"#, "version 2: expected 1");
        rejects(r#"{"version":1,"namespaces":{},"more":1}"#, "unknown field `more`");
        rejects(&GOOD.replace("vision", "Vision"), "namespace \"Vision\"");
        rejects(&GOOD.replace("afuId", "afu"), "unknown field `afu`");
        rejects(&GOOD.replace("f7df", "../f7df"), "image id");
        rejects(&format!("{GOOD} more"), "trailing characters");
    }

    #[test]
    fn rejects_a_file_that_never_ends_or_is_none() {
        let fixture = Fixture::new();
        let path = fixture.file("");
        fs::File::options().write(true).open(&path).unwrap().set_len(LIMIT + 1).unwrap();
        let error = Grants::load(&path).unwrap_err();
        assert!(matches!(error, Error::TooLong { .. }), "{error}");

        let fifo = fixture.dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [fifo.as_path(), fixture.dir.path(), Path::new("/dev/zero")] {
            let error = Grants::load(path).unwrap_err();
            assert!(matches!(error, Error::NotRegular { .. }), "{error}");
        }
        let error = Grants::load(fixture.dir.path().join("none")).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }

    #[test]
    fn rejects_a_file_that_others_may_write() {
        let fixture = Fixture::new();
        let path = fixture.file(GOOD);
        for mode in [0o664, 0o646, 0o666, 0o622] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = Grants::load(&path).unwrap_err();
            assert!(matches!(error, Error::Writable { mode: m, .. } if m == mode), "{error}");
        }
    }

    #[test]
    fn a_file_is_roots_or_the_readers() {
        let fixture = Fixture::new();
        let path = fixture.file(GOOD);
        let status = fs::metadata(&path).unwrap();
        assert!(check(&path, &status, status.uid()).is_ok());
        let stranger = status.uid() + 1;
        let accepted = check(&path, &status, stranger);
        if status.uid() == 0 {
            assert!(accepted.is_ok(), "root's file is everybody's");
        } else {
            assert!(matches!(accepted, Err(Error::Owner { user, .. }) if user == stranger));
        }
    }
}
