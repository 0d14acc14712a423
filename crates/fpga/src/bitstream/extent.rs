//! Bounded positional reads: a run of bytes inside a file that nothing reads beyond.

use std::borrow::Cow;
use std::io::{self, Read};

use super::ParseError;

/// Bytes that can be read at any offset, such as a file or a slice.
pub trait Source {
    /// Reads into `buffer` from `offset` on and gives the number of bytes read, 0 at the end.
    ///
    /// # Errors
    /// As for read(2).
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Length in bytes.
    fn size(&self) -> u64;
}

impl Source for &[u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|start| self.get(start..)).unwrap_or(&[]);
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn size(&self) -> u64 {
        self.len() as u64
    }
}

/// Part of a source. Every offset is relative to it, and it never reaches beyond its source.
#[derive(Clone, Copy)]
pub(super) struct Extent<'a> {
    source: &'a dyn Source,
    start: u64,
    len: u64,
}

impl<'a> Extent<'a> {
    pub(super) fn whole(source: &'a dyn Source) -> Self {
        Self { source, start: 0, len: source.size() }
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// `len` bytes from `offset` on; `field` is what they are called in an error.
    pub(super) fn part(
        &self,
        field: impl Into<Cow<'static, str>>,
        offset: u64,
        len: u64,
    ) -> Result<Self, ParseError> {
        let has = self.len.saturating_sub(offset);
        if len > has {
            return Err(ParseError::Truncated { field: field.into(), needs: len, has });
        }
        Ok(Self { source: self.source, start: self.start + offset, len })
    }

    /// All bytes, which must be at most `limit`: the only allocation whose length a file chooses.
    pub(super) fn read_all(
        &self,
        field: impl Into<Cow<'static, str>>,
        limit: u64,
    ) -> Result<Vec<u8>, ParseError> {
        let field = field.into();
        let length = usize::try_from(self.len).ok().filter(|_| self.len <= limit);
        let Some(length) = length else {
            let found = format!("{} bytes", self.len);
            return Err(ParseError::value(field, found, format!("at most {limit} bytes")));
        };
        let mut bytes = vec![0; length];
        fill(&mut self.reader(), field, &mut bytes)?;
        Ok(bytes)
    }

    /// The bytes in sequence.
    pub(super) fn reader(&self) -> Reader<'a> {
        Reader { extent: *self, position: 0 }
    }
}

/// Reads an extent from its start to its end.
pub(super) struct Reader<'a> {
    extent: Extent<'a>,
    position: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.extent.len - self.position;
        let limit = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let offset = self.extent.start + self.position;
        let count = self.extent.source.read_at(&mut buffer[..limit], offset)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// Fills `buffer`, or says how much of `field` was there.
pub(super) fn fill(
    reader: &mut dyn Read,
    field: impl Into<Cow<'static, str>>,
    buffer: &mut [u8],
) -> Result<(), ParseError> {
    let mut has = 0;
    while has < buffer.len() {
        match reader.read(&mut buffer[has..]) {
            Ok(0) => {
                let (needs, has) = (buffer.len() as u64, has as u64);
                return Err(ParseError::Truncated { field: field.into(), needs, has });
            }
            Ok(count) => has += count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(ParseError::Read { field: field.into(), cause }),
        }
    }
    Ok(())
}
