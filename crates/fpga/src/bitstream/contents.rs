//! A bitstream's description, whichever format it came in.

use std::fmt;
use std::io::Read;
use std::ops::Range;

use super::ParseError;
use super::aocx::{self, Aocx};
use super::elf;
use super::extent::{Extent, Source, fill};
use super::gbs;
use super::inflate::Inflated;
use super::metadata::Metadata;
use crate::id::{AfuId, AocxHash, InterfaceId, ParseIdError};

/// How a bitstream is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Header, JSON, image.
    Gbs,
    /// ELF with a compressed GBS inside.
    Aocx,
}

impl Format {
    /// The usual extension of such a file, without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Gbs => "gbs",
            Self::Aocx => "aocx",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gbs => "GBS",
            Self::Aocx => "AOCX",
        })
    }
}

/// The description of a bitstream: everything but its image.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    metadata: Metadata,
    aocx: Option<Aocx>,
    image: Image,
    is_signed: bool,
}

/// Where the image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Image {
    /// These bytes of the file.
    Plain(Range<u64>),
    /// Inside a gzip stream.
    Gzip(Gzip),
}

/// An image that is compressed together with what is before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gzip {
    /// Which bytes of the file the stream is.
    stream: Range<u64>,
    /// Where the image starts in the inflated data.
    start: u64,
}

impl Gzip {
    /// The image in sequence, of which at most `limit` bytes come, counting what is before it.
    pub(super) fn inflate<'a>(
        &self,
        source: &'a dyn Source,
        limit: u64,
    ) -> Result<Inflated<'a>, ParseError> {
        let length = self.stream.end - self.stream.start;
        let stream = Extent::whole(source).part(aocx::SECTION_GBS, self.stream.start, length)?;
        let mut inflated = Inflated::new(stream, limit);
        inflated.skip(self.start)?;
        Ok(inflated)
    }
}

impl Contents {
    /// Reads the description of the bitstream `source`: a few kilobytes of it, whatever its length.
    ///
    /// # Errors
    /// It is neither a well-formed GBS nor a well-formed AOCX. Missing and malformed ids are no errors
    /// here but where they are asked for.
    pub fn parse(source: &dyn Source) -> Result<Self, ParseError> {
        let file = Extent::whole(source);
        let mut magic = [0; 8];
        fill(&mut file.reader(), "magic", &mut magic)?;
        if magic == gbs::MAGIC.to_le_bytes() {
            Self::parse_gbs(file)
        } else if magic.starts_with(&elf::MAGIC) {
            Self::parse_aocx(file)
        } else if magic.starts_with(&gbs::LEGACY_MAGIC.to_le_bytes()) {
            let what = "a GBS of the first kind (1d1f8680), which does not say what function it holds: build it again, or have OPAE program it";
            Err(ParseError::Foreign(what.to_owned()))
        } else if magic.starts_with(&gbs::SIGNATURE_MAGIC.to_le_bytes()) {
            let what = "a signed image of a card's flash memory, which fpgasupdate writes";
            Err(ParseError::Foreign(what.to_owned()))
        } else {
            let digits: String = magic.iter().map(|byte| format!("{byte:02x}")).collect();
            Err(ParseError::value(
                "magic",
                digits,
                "a GBS (58656f6e46504741) or an ELF file (7f454c46)",
            ))
        }
    }

    fn parse_gbs(file: Extent<'_>) -> Result<Self, ParseError> {
        let head = gbs::read_head(&mut file.reader())?;
        if head.payload_offset >= file.len() {
            return Err(gbs::no_payload());
        }
        let length = file.len() - head.payload_offset;
        let payload = file.part("GBS payload", head.payload_offset, length)?;
        let is_signed = is_signed(&mut payload.reader());
        let image = Image::Plain(head.payload_offset..file.len());
        Ok(Self { metadata: head.metadata, aocx: None, image, is_signed })
    }

    fn parse_aocx(file: Extent<'_>) -> Result<Self, ParseError> {
        let parts = aocx::read(file)?;
        let start = parts.compressed.start();
        let image = Image::Gzip(Gzip {
            stream: start..start + parts.compressed.len(),
            start: parts.head.payload_offset,
        });
        let (metadata, is_signed) = (parts.head.metadata, parts.is_signed);
        Ok(Self { metadata, aocx: Some(parts.aocx), image, is_signed })
    }

    /// The format of the file, which its contents tell.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.aocx {
            None => Format::Gbs,
            Some(_) => Format::Aocx,
        }
    }

    /// The description in the GBS, or in the GBS inside the AOCX.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What an AOCX says beyond that.
    #[must_use]
    pub fn aocx(&self) -> Option<&Aocx> {
        self.aocx.as_ref()
    }

    /// True when the image begins with the block of a signature, which the card checks and nobody here.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.is_signed
    }

    /// The interface id of the regions that the bitstream fits.
    ///
    /// # Errors
    /// There is none, or it is no 128-bit id.
    pub fn interface_id(&self) -> Result<InterfaceId, ParseError> {
        usable("afu-image.interface-uuid", &self.metadata.interface_id)
    }

    /// The AFU id that the region shows once the bitstream is in it.
    ///
    /// # Errors
    /// There is none, it is no 128-bit id, or it is the one that a crashed device shows, which could
    /// not be told from a failure.
    pub fn afu_id(&self) -> Result<AfuId, ParseError> {
        const FIELD: &str = "afu-image.accelerator-clusters[0].accelerator-type-uuid";
        let id = usable(FIELD, &self.metadata.afu_id)?;
        if id.is_crash_marker() {
            let found = "all ones, which a device without firmware or link shows";
            return Err(ParseError::value(FIELD, found, "the id of a function"));
        }
        Ok(id)
    }

    /// The hash that names an OpenCL image, `None` for a GBS.
    ///
    /// # Errors
    /// The bitstream is an AOCX without a hash of 40 digits.
    pub fn hash(&self) -> Result<Option<AocxHash>, ParseError> {
        self.aocx.as_ref().map(|aocx| usable(aocx::SECTION_HASH, &aocx.hash)).transpose()
    }

    /// Length of the image in bytes. Of a compressed one everything is read, in constant memory, and
    /// its checksum compared. `source` must be what was parsed.
    ///
    /// # Errors
    /// The compressed data cannot be read, is damaged, or becomes longer than `limit` bytes.
    pub fn payload_len(&self, source: &dyn Source, limit: u64) -> Result<u64, ParseError> {
        match &self.image {
            Image::Plain(range) => Ok(range.end - range.start),
            Image::Gzip(gzip) => gzip.inflate(source, limit)?.count(),
        }
    }

    pub(super) fn image(&self) -> &Image {
        &self.image
    }
}

/// Whether the image that is read begins with a signature. One that is shorter, or cannot be read, has none.
pub(super) fn is_signed(image: &mut dyn Read) -> bool {
    let mut magic = [0; 4];
    fill(image, "image", &mut magic).is_ok() && magic == gbs::SIGNATURE_MAGIC.to_le_bytes()
}

fn usable<T: Copy>(field: &'static str, id: &Result<T, ParseIdError>) -> Result<T, ParseError> {
    id.as_ref().copied().map_err(|fault| {
        let found = match fault.text.as_str() {
            "" => "nothing".to_owned(),
            text => format!("{text:?}"),
        };
        ParseError::value(field, found, fault.expected)
    })
}
