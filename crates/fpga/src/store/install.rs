//! Putting a bitstream into the store: complete, verified and durable, or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::{Mode, mkdirat};

use super::{Error, Store, beneath};
use crate::bitstream::Bitstream;
use crate::files::{Existing, Temporary, make_directories, remove_leftovers, sync};

/// How the name of a bitstream begins that is not complete yet. Nobody takes it for a bitstream.
const STEM: &[u8] = b".install-";

impl Store {
    /// Installs a copy of the file at `path` under its ids and gives the path of the copy, readable
    /// by all (mode 0644). Missing directories are made (mode 0755).
    ///
    /// The copy is verified ([`Bitstream::verify`]), flushed to disk and then given its name in one
    /// step, so that nobody ever sees a part of it. The data goes from file to file inside the kernel
    /// where the file systems can do that. What an installation that crashed left in the same
    /// directory is removed first.
    ///
    /// # Errors
    /// The file is malformed or lacks an id, something has its place already, it changed meanwhile,
    /// or the store cannot be written.
    pub fn install(&self, path: impl AsRef<Path>, existing: Existing) -> Result<PathBuf, Error> {
        let source = Bitstream::open(path)?;
        let destination = self.destination(&source)?;
        let name = source.image_id()?.file_name();
        let directory = self.open_or_make(&source)?;
        let io = |operation| {
            let path = destination.clone();
            move |cause| Error::Io { path, operation, cause }
        };
        remove_leftovers(&directory, STEM).map_err(io("clean up after an earlier installation"))?;
        let temporary = Temporary::create(&directory, STEM).map_err(io("create it"))?;
        let before = modified(source.file()).map_err(io("copy to it"))?;
        copy(&source, temporary.file()).map_err(io("copy to it"))?;
        let after = modified(source.file()).map_err(io("copy to it"))?;
        verify_copy(&source, temporary.file())?;
        if before != after {
            return Err(Error::Changed { path: source.path().to_owned() });
        }
        temporary.publish(Path::new(&name), 0o644, existing).map_err(|cause| {
            if cause.kind() == io::ErrorKind::AlreadyExists {
                return Error::Exists { path: destination.clone() };
            }
            io("put it in place")(cause)
        })?;
        Ok(destination)
    }

    /// The directory for regions of the bitstream's interface id.
    fn open_or_make(&self, bitstream: &Bitstream) -> Result<OwnedFd, Error> {
        let failed = |operation, path: &Path| {
            let path = path.to_owned();
            move |cause| Error::Io { path, operation, cause }
        };
        make_directories(&self.root).map_err(failed("create the directory", &self.root))?;
        let root =
            beneath::open_root(&self.root).map_err(failed("open the directory", &self.root))?;
        let name = bitstream.interface_id()?.to_string();
        let path = self.root.join(&name);
        make_directory(&root, &name).map_err(failed("create the directory", &path))?;
        beneath::open_directory(&root, &name).map_err(|cause| Error::open(path, cause))
    }
}

fn copy(source: &Bitstream, mut to: &File) -> io::Result<()> {
    let mut from = source.file();
    from.rewind()?;
    // No further than the length that was checked, should the file be growing.
    io::copy(&mut from.take(source.file_len()), &mut to).map(|_| ())
}

/// When the file was last written to.
fn modified(file: &File) -> io::Result<(i64, i64)> {
    let status = file.metadata()?;
    Ok((status.mtime(), status.mtime_nsec()))
}

/// What was copied counts, and not what was read before: the file may have changed meanwhile.
fn verify_copy(source: &Bitstream, copy: &File) -> Result<(), Error> {
    let changed = || Error::Changed { path: source.path().to_owned() };
    let copy = copy.try_clone().map_err(|_| changed())?;
    let copy = Bitstream::from_file(source.path(), copy)?;
    copy.verify()?;
    if copy.file_len() != source.file_len() || copy.contents() != source.contents() {
        return Err(changed());
    }
    Ok(())
}

fn make_directory(root: &OwnedFd, name: &str) -> io::Result<()> {
    match mkdirat(root, name, Mode::from_bits_truncate(0o755)) {
        Ok(()) => {
            let made = File::from(beneath::open_directory(root, name)?);
            made.set_permissions(Permissions::from_mode(0o755))?;
            sync(root)
        }
        Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
