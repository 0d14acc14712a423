//! Reading gzip data from a file that may lie about how much there is.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use super::extent::{Extent, Reader};
use super::{ParseError, aocx};

/// How long a compressed image may become, in bytes, unless another limit is set: 256 MiB, several
/// times the largest partial bitstream of the boards that the drivers know.
pub const DEFAULT_INFLATE_LIMIT: u64 = 256 << 20;

/// The inflated data in sequence, of which at most a fixed number of bytes come.
pub(super) struct Inflated<'a> {
    decoder: MultiGzDecoder<Reader<'a>>,
    left: u64,
    limit: u64,
}

impl<'a> Inflated<'a> {
    pub(super) fn new(compressed: Extent<'a>, limit: u64) -> Self {
        Self { decoder: MultiGzDecoder::new(compressed.reader()), left: limit, limit }
    }

    /// Drops the first `count` bytes of the inflated data.
    pub(super) fn skip(&mut self, count: u64) -> Result<(), ParseError> {
        let skipped = io::copy(&mut self.by_ref().take(count), &mut io::sink()).map_err(damaged)?;
        if skipped < count {
            let field = aocx::SECTION_GBS.into();
            return Err(ParseError::Truncated { field, needs: count, has: skipped });
        }
        Ok(())
    }

    /// Counts what is left, in constant memory. Reaching the end checks gzip's checksums.
    pub(super) fn count(mut self) -> Result<u64, ParseError> {
        io::copy(&mut self, &mut io::sink()).map_err(damaged)
    }

    /// What is left. Memory is taken as data arrives, never because a length field says so.
    pub(super) fn collect(mut self) -> Result<Vec<u8>, ParseError> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).map_err(damaged)?;
        Ok(bytes)
    }
}

impl Read for Inflated<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !buffer.is_empty() {
            // The limit is an error only if there is more, and asking for more also makes the
            // decoder check its trailer.
            return match self.decoder.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(io::Error::other(format!("inflates to more than {} bytes", self.limit))),
            };
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.decoder.read(&mut buffer[..most])?;
        self.left -= count as u64;
        Ok(count)
    }
}

/// The decoder's faults all mean that the section is no good gzip stream.
pub(super) fn damaged(cause: io::Error) -> ParseError {
    ParseError::Read { field: aocx::SECTION_GBS.into(), cause }
}
