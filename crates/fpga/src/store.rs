//! The bitstreams of a node: `<root>/<interfaceId>/<afuId>.gbs` and `<root>/<interfaceId>/<hash>.aocx`.
//!
//! The layout is that of Intel's tools, whose root is [`DEFAULT_ROOT`]. Paths are made from ids
//! alone, never from text; nothing is opened through a symbolic link below the root; a file whose
//! contents have other ids than its name is refused. Files are put in place complete or not at all
//! ([`Store::install`]) and never written to afterwards, so that a mapped one stays as it is.
//!
//! ```no_run
//! use fpga::store::{Existing, Store};
//!
//! let store = Store::default();
//! let path = store.install("nlb_mode_3.gbs", Existing::Keep)?;
//! println!("installed as {}", path.display());
//! for entry in store.list()? {
//!     match entry.summary {
//!         Ok(summary) => println!("{}: {}", entry.path.display(), summary.image_id),
//!         Err(error) => println!("{error}"),
//!     }
//! }
//! # Ok::<(), fpga::store::Error>(())
//! ```

mod beneath;
mod error;
mod index;
mod install;
mod list;

use std::io;
use std::path::{Path, PathBuf};

pub use crate::files::Existing;
pub use error::Error;
pub use index::Index;
pub use list::{Entry, Summary};

use crate::bitstream::{Bitstream, ImageId};
use crate::id::InterfaceId;

/// Where bitstreams are unless told otherwise.
pub const DEFAULT_ROOT: &str = "/srv/intel.com/fpga";

/// A directory of bitstreams. It need not exist until something is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    root: PathBuf,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(DEFAULT_ROOT)
    }
}

impl Store {
    /// The store whose root is the directory `root`, which may be reached through symbolic links.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The root directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the image `image` for regions of `interface` is, whether it exists or not.
    #[must_use]
    pub fn path(&self, interface: InterfaceId, image: ImageId) -> PathBuf {
        self.root.join(relative(interface, image))
    }

    /// Where `bitstream` belongs.
    ///
    /// # Errors
    /// One of its ids is missing or malformed.
    pub fn destination(&self, bitstream: &Bitstream) -> Result<PathBuf, Error> {
        Ok(self.path(bitstream.interface_id()?, bitstream.image_id()?))
    }

    /// Opens the image `image` for regions of `interface`, and makes sure that it is what its name
    /// says.
    ///
    /// # Errors
    /// There is no such file, it is reached through a symbolic link or is no regular file, it is
    /// malformed, or its ids are not those asked for.
    pub fn find(&self, interface: InterfaceId, image: ImageId) -> Result<Bitstream, Error> {
        let path = self.path(interface, image);
        let file = match beneath::open_root(&self.root)
            .and_then(|root| beneath::open_file(&root, &relative(interface, image)))
        {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NotFound { interface, image, path });
            }
            Err(cause) => return Err(Error::open(path, cause)),
        };
        let bitstream = Bitstream::from_file(&path, file)?;
        let (is_for, is) = (bitstream.interface_id()?, bitstream.image_id()?);
        if (is_for, is) == (interface, image) {
            return Ok(bitstream);
        }
        Err(Error::Misnamed { path, belongs: relative(is_for, is) })
    }
}

fn relative(interface: InterfaceId, image: ImageId) -> PathBuf {
    Path::new(&interface.to_string()).join(image.file_name())
}
