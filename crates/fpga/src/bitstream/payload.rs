//! The image of a bitstream, ready for the driver.

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};

use super::map::Map;

/// The bytes to program, and nothing around them.
///
/// The bytes of a GBS are a mapping of the file. Programming from it is safe whatever happens to the
/// file: the kernel answers `EFAULT` if it was truncated. Reading the bytes in this process is not
/// quite that: a page that another process cut off meanwhile raises `SIGBUS`, as with every mapped
/// file. Files in a [store](crate::store) are replaced and never written to, so that it cannot
/// happen there.
#[derive(Debug)]
pub struct Payload(Bytes);

#[derive(Debug)]
enum Bytes {
    Mapped { map: Map, image: Range<usize> },
    Inflated(Vec<u8>),
}

impl Payload {
    /// Maps `file` from its start to the end of `image`.
    pub(super) fn map(file: &File, image: Range<u64>) -> io::Result<Self> {
        let too_long = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let start = usize::try_from(image.start).map_err(too_long)?;
        let end = usize::try_from(image.end).map_err(too_long)?;
        let map = Map::new(file, end)?;
        Ok(Self(Bytes::Mapped { map, image: start..end }))
    }

    pub(super) fn inflated(bytes: Vec<u8>) -> Self {
        Self(Bytes::Inflated(bytes))
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Mapped { map, image } => &map.as_slice()[image.clone()],
            Bytes::Inflated(bytes) => bytes,
        }
    }
}
