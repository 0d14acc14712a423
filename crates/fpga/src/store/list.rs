//! Everything in a store, whatever state it is in.

use std::ffi::OsStr;
use std::fs::{self, FileType};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::{Error, Store, beneath, relative};
use crate::bitstream::{Bitstream, Contents, ImageId};
use crate::id::{AfuId, InterfaceId};

/// One file of a store, or something in it that should not be there.
#[derive(Debug)]
pub struct Entry {
    /// Where it is.
    pub path: PathBuf,
    /// What it is, or what is wrong with it.
    pub summary: Result<Summary, Error>,
}

/// What a good file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The interface id of the regions that it fits.
    pub interface_id: InterfaceId,
    /// What it is called.
    pub image_id: ImageId,
    /// What a region shows when it is loaded.
    pub afu_id: AfuId,
    /// Length of the file in bytes.
    pub file_len: u64,
    /// What the file says about itself.
    pub contents: Contents,
}

impl Store {
    /// What is in the store, by path. Only descriptions are read: compressed images are not checked
    /// ([`Bitstream::verify`] does). A store that does not exist is empty. Names that begin with a dot
    /// are left out: those of installations under way among them.
    ///
    /// # Errors
    /// The root cannot be read. Whatever is wrong below it is in its entry.
    pub fn list(&self) -> Result<Vec<Entry>, Error> {
        let failed = |cause| {
            let path = self.root.clone();
            Error::Io { path, operation: "read the directory", cause }
        };
        let root = match beneath::open_root(&self.root) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let mut entries = Vec::new();
        for (path, kind) in children(&self.root).map_err(failed)? {
            self.list_region(&root, path, kind, &mut entries);
        }
        Ok(entries)
    }

    /// Adds what is in a directory of the root, or why there is no such directory.
    fn list_region(
        &self,
        root: &OwnedFd,
        path: PathBuf,
        kind: io::Result<FileType>,
        entries: &mut Vec<Entry>,
    ) {
        const EXPECTED: &str = "a directory named by an interface id (32 lower-case digits)";
        let named = name(&path).parse::<InterfaceId>();
        let fits = named.is_ok_and(|id| id.to_string() == name(&path));
        let children = match kind {
            Ok(kind) if kind.is_dir() && fits => children(&path),
            Ok(kind) => {
                entries.push(Entry { summary: Err(stranger(&path, kind, EXPECTED)), path });
                return;
            }
            Err(cause) => Err(cause),
        };
        match children {
            Ok(children) => entries.extend(children.into_iter().map(|(path, kind)| {
                let summary = self.summary(root, &path, kind);
                Entry { path, summary }
            })),
            Err(cause) => {
                entries.push(Entry { summary: Err(Error::open(path.clone(), cause)), path });
            }
        }
    }

    fn summary(
        &self,
        root: &OwnedFd,
        path: &Path,
        kind: io::Result<FileType>,
    ) -> Result<Summary, Error> {
        const EXPECTED: &str = "a bitstream";
        let kind = kind.map_err(|cause| Error::open(path.to_owned(), cause))?;
        if !kind.is_file() {
            return Err(stranger(path, kind, EXPECTED));
        }
        // The path was made by joining names to the root.
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        let file =
            beneath::open_file(root, below).map_err(|cause| Error::open(path.to_owned(), cause))?;
        let bitstream = Bitstream::from_file(path, file)?;
        let summary = Summary {
            interface_id: bitstream.interface_id()?,
            image_id: bitstream.image_id()?,
            afu_id: bitstream.afu_id()?,
            file_len: bitstream.file_len(),
            contents: bitstream.contents().clone(),
        };
        let belongs = relative(summary.interface_id, summary.image_id);
        if belongs != below {
            return Err(Error::Misnamed { path: path.to_owned(), belongs });
        }
        Ok(summary)
    }
}

/// What is in a directory, by name, without what is hidden.
fn children(directory: &Path) -> io::Result<Vec<(PathBuf, io::Result<FileType>)>> {
    let mut children = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_name().as_bytes().starts_with(b".") {
            children.push((entry.path(), entry.file_type()));
        }
    }
    children.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(children)
}

/// The last name of a path; none of those that are no UTF-8 is one that a store gives.
fn name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

fn stranger(path: &Path, kind: FileType, expected: &'static str) -> Error {
    let path = path.to_owned();
    let found = match kind {
        kind if kind.is_symlink() => return Error::SymbolicLink { path },
        kind if kind.is_dir() => "directory",
        kind if kind.is_file() => "file",
        kind if kind.is_fifo() => "FIFO",
        kind if kind.is_socket() => "socket",
        _ => "device",
    };
    Error::Stranger { path, found, expected }
}
