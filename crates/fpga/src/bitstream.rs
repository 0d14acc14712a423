//! Bitstream files: what they hold, for which region they were built, and the image to program.
//!
//! Two formats are known, told apart by their first bytes: GBS, Intel's container of one partial
//! bitstream with a JSON description ([`gbs`]), and AOCX, the ELF file of Intel's OpenCL compiler
//! with a compressed GBS inside ([`aocx`]).
//!
//! [`Bitstream::open`] reads the description only, with plain reads of a few kilobytes whatever the
//! file claims about itself. The image is fetched by [`Bitstream::payload`]: mapped from a GBS, so
//! that the kernel copies it straight from the page cache, or inflated from an AOCX, which costs as
//! much memory as the image is long.
//!
//! ```no_run
//! use fpga::bitstream::Bitstream;
//!
//! let bitstream = Bitstream::open("nlb_mode_3.gbs")?;
//! println!("{} for {}", bitstream.image_id()?, bitstream.interface_id()?);
//! let image = bitstream.payload()?;
//! println!("{} bytes to program", image.len());
//! # Ok::<(), fpga::bitstream::Error>(())
//! ```

pub mod aocx;
mod contents;
mod elf;
mod error;
mod extent;
pub mod gbs;
mod image_id;
mod inflate;
mod json;
mod map;
mod metadata;
mod payload;

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use contents::Image;
pub use contents::{Contents, Format};
pub use error::{Error, ParseError};
pub use extent::Source;
pub use image_id::{ImageId, ParseImageIdError};
pub use inflate::DEFAULT_INFLATE_LIMIT;
pub use metadata::{Metadata, UserClock};
pub use payload::Payload;

use inflate::Inflated;

use crate::id::{AfuId, AocxHash, InterfaceId};
use crate::ledger::{Digest, FileIdentity, Fingerprint};

/// An open bitstream file whose description was read and found well-formed.
#[derive(Debug)]
pub struct Bitstream {
    path: PathBuf,
    file: SizedFile,
    contents: Contents,
    inflate_limit: u64,
    /// Kept, since taking it reads the whole file.
    fingerprint: Cell<Option<Fingerprint>>,
}

impl Bitstream {
    /// Opens and describes the file at `path`.
    ///
    /// # Errors
    /// The file cannot be opened or is no regular file, its contents are no well-formed bitstream, or
    /// its extension is that of the other format.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        // A FIFO in the place of a file would otherwise block the open until somebody writes to it.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(path)
            .map_err(|cause| Error::Open { path: path.to_owned(), cause })?;
        Self::from_file(path, file)
    }

    /// Describes a file that is open for reading already. `path` appears in messages, and its
    /// extension is compared with the contents.
    ///
    /// # Errors
    /// As for [`Bitstream::open`].
    pub fn from_file(path: impl Into<PathBuf>, file: File) -> Result<Self, Error> {
        let path = path.into();
        let status = file.metadata().map_err(|cause| Error::Open { path: path.clone(), cause })?;
        if !status.is_file() {
            return Err(Error::NotRegular { path });
        }
        let file = SizedFile { file, size: status.len() };
        let contents = Contents::parse(&file)
            .map_err(|fault| Error::Malformed { path: path.clone(), fault })?;
        check_extension(&path, contents.format())?;
        Ok(Self {
            path,
            file,
            contents,
            inflate_limit: DEFAULT_INFLATE_LIMIT,
            fingerprint: Cell::new(None),
        })
    }

    /// The same bitstream with another limit on the inflated length of a compressed image, in bytes.
    #[must_use]
    pub fn with_inflate_limit(mut self, limit: u64) -> Self {
        self.inflate_limit = limit;
        self
    }

    /// Where the file is, as given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file.file
    }

    /// Length of the file in bytes when it was opened.
    #[must_use]
    pub fn file_len(&self) -> u64 {
        self.file.size
    }

    /// What tells the file from all other images. It is read to its end, unless it is as it was the last time.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn fingerprint(&self) -> Result<Fingerprint, Error> {
        // Before the contents are read, so that a change meanwhile shows.
        let identity = self.identity()?;
        if let Some(known) = self.fingerprint.get().filter(|known| known.identity == identity) {
            return Ok(known);
        }
        let digest = Digest::of(self.file())
            .map_err(|cause| Error::Open { path: self.path.clone(), cause })?;
        let fingerprint = Fingerprint { identity, digest };
        self.fingerprint.set(Some(fingerprint));
        Ok(fingerprint)
    }

    /// What tells without reading the file that it has not changed.
    ///
    /// # Errors
    /// Its status cannot be had.
    pub fn identity(&self) -> Result<FileIdentity, Error> {
        let status = self.file().metadata();
        let fail = |cause| Error::Open { path: self.path.clone(), cause };
        Ok(FileIdentity::of(&status.map_err(fail)?))
    }

    /// Everything that the file says about itself, usable or not.
    #[must_use]
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The interface id of the regions that this bitstream fits.
    ///
    /// # Errors
    /// The metadata has none, or one that is no 128-bit id.
    pub fn interface_id(&self) -> Result<InterfaceId, Error> {
        self.contents.interface_id().map_err(|fault| self.malformed(fault))
    }

    /// The AFU id that the region shows once this bitstream is in it. Every OpenCL image of a board
    /// may have the same one: only [`Bitstream::image_id`] tells them apart.
    ///
    /// # Errors
    /// The metadata has none, or one that no working device can show.
    pub fn afu_id(&self) -> Result<AfuId, Error> {
        self.contents.afu_id().map_err(|fault| self.malformed(fault))
    }

    /// The hash that names an OpenCL image, `None` for a GBS.
    ///
    /// # Errors
    /// The file is an AOCX without a hash of 40 digits.
    pub fn hash(&self) -> Result<Option<AocxHash>, Error> {
        self.contents.hash().map_err(|fault| self.malformed(fault))
    }

    /// What the file is called in a store: the hash of an AOCX, the AFU id of a GBS.
    ///
    /// # Errors
    /// That id is missing or malformed.
    pub fn image_id(&self) -> Result<ImageId, Error> {
        Ok(match self.hash()? {
            Some(hash) => ImageId::Aocx(hash),
            None => ImageId::Afu(self.afu_id()?),
        })
    }

    /// The image to hand to the driver. A GBS is mapped and costs address space only; an AOCX is
    /// inflated into memory.
    ///
    /// # Errors
    /// The file cannot be mapped or read, was truncated since it was opened, its compressed data is
    /// damaged, or it inflates to more than the limit ([`Bitstream::with_inflate_limit`]).
    pub fn payload(&self) -> Result<Payload, Error> {
        self.check_unchanged()?;
        match self.contents.image() {
            Image::Plain(range) => Payload::map(&self.file.file, range.clone())
                .map_err(|cause| Error::Map { path: self.path.clone(), cause }),
            Image::Gzip(gzip) => gzip
                .inflate(&self.file, self.inflate_limit)
                .and_then(Inflated::collect)
                .map(Payload::inflated)
                .map_err(|fault| self.malformed(fault)),
        }
    }

    /// Reads whatever can be checked beyond the description, in constant memory: the compressed data
    /// of an AOCX to its end and checksum. Gives the length of the image in bytes.
    ///
    /// # Errors
    /// As for [`Bitstream::payload`].
    pub fn verify(&self) -> Result<u64, Error> {
        self.check_unchanged()?;
        self.contents
            .payload_len(&self.file, self.inflate_limit)
            .map_err(|fault| self.malformed(fault))
    }

    fn check_unchanged(&self) -> Result<(), Error> {
        let now = self
            .file
            .file
            .metadata()
            .map_err(|cause| Error::Open { path: self.path.clone(), cause })?
            .len();
        if now == self.file.size {
            return Ok(());
        }
        Err(Error::Resized { path: self.path.clone(), before: self.file.size, now })
    }

    fn malformed(&self, fault: ParseError) -> Error {
        Error::Malformed { path: self.path.clone(), fault }
    }
}

/// A file with the length that it had when it was opened, so that every bound is the same one.
#[derive(Debug)]
struct SizedFile {
    file: File,
    size: u64,
}

impl Source for SizedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn size(&self) -> u64 {
        self.size
    }
}

/// The contents decide; an extension that claims the other format is an accident worth stopping at.
fn check_extension(path: &Path, contents: Format) -> Result<(), Error> {
    let claimed = path.extension().and_then(|extension| extension.to_str()).and_then(|text| {
        [Format::Gbs, Format::Aocx]
            .into_iter()
            .find(|format| format.extension().eq_ignore_ascii_case(text))
    });
    match claimed {
        Some(claimed) if claimed != contents => {
            Err(Error::Extension { path: path.to_owned(), claimed, contents })
        }
        _ => Ok(()),
    }
}
