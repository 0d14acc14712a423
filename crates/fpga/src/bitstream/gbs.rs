//! GBS, "green bitstream": a header, a JSON description, the raw partial bitstream.
//!
//! | offset | bytes | little-endian |
//! |---|---|---|
//! | 0 | 8 | [`MAGIC`], `XeonFPGA` |
//! | 8 | 8 | [`MAGIC_VERSION`], the byte `B7` and `GBSv001` |
//! | 16 | 4 | length L of the description, 0 < L < [`METADATA_LIMIT`] |
//! | 20 | L | the description, one JSON object |
//! | 20 + L | the rest | the image |

use std::io::Read;

use super::extent::fill;
use super::metadata::Metadata;
use super::{ParseError, metadata};

/// The first 64-bit word of a GBS.
pub const MAGIC: u64 = 0x4147_5046_6e6f_6558;
/// The second 64-bit word: the format's version.
pub const MAGIC_VERSION: u64 = 0x3130_3076_5342_47b7;
/// Length of the header in bytes.
pub const HEADER_LEN: usize = 20;
/// The description is shorter than this, in bytes, as OPAE has it.
pub const METADATA_LIMIT: u32 = 8192;

/// How a GBS began before release 6.4 of the card's software: the interface id follows, and then the image
/// (`OPAE_LEGACY_BITSTREAM_MAGIC` in OPAE's `bitstream.h`).
pub(super) const LEGACY_MAGIC: u32 = 0x1d1f_8680;
/// How the block begins that PACSign puts before an image (`DESCRIPTOR_BLOCK_MAGIC_NUM` in its `database.py`).
pub(super) const SIGNATURE_MAGIC: u32 = 0xb6ea_fd19;

/// Header and description of a GBS.
pub(super) struct Head {
    pub(super) metadata: Metadata,
    /// Where the image starts, in bytes from the start of the GBS.
    pub(super) payload_offset: u64,
}

/// Reads header and description, at most [`HEADER_LEN`] + [`METADATA_LIMIT`] bytes.
pub(super) fn read_head(reader: &mut dyn Read) -> Result<Head, ParseError> {
    let mut header = [0; HEADER_LEN];
    fill(reader, "GBS header", &mut header)?;
    check_magic(word(&header, 0), word(&header, 8))?;
    let length = u32::from_le_bytes([header[16], header[17], header[18], header[19]]);
    if length == 0 {
        let what = "a GBS without a description: nothing says what function it holds, and which regions take it";
        return Err(ParseError::Foreign(what.to_owned()));
    }
    if !(1..METADATA_LIMIT).contains(&length) {
        return Err(ParseError::value(
            "GBS header: length of the metadata",
            length.to_string(),
            format!("1 to {} bytes", METADATA_LIMIT - 1),
        ));
    }
    let mut json = vec![0; length as usize];
    fill(reader, "GBS metadata", &mut json)?;
    let metadata = metadata::parse(&json).map_err(|fault| fault.within("GBS metadata"))?;
    Ok(Head { metadata, payload_offset: HEADER_LEN as u64 + u64::from(length) })
}

/// The error for a GBS without an image, wherever that is noticed.
pub(super) fn no_payload() -> ParseError {
    ParseError::value("GBS payload", "0 bytes", "an image after the metadata")
}

fn word(header: &[u8; HEADER_LEN], offset: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&header[offset..offset + 8]);
    u64::from_le_bytes(bytes)
}

fn check_magic(magic: u64, version: u64) -> Result<(), ParseError> {
    if (magic, version) == (MAGIC, MAGIC_VERSION) {
        return Ok(());
    }
    Err(ParseError::value(
        "GBS header: magic",
        format!("{magic:#018x} {version:#018x}"),
        format!("{MAGIC:#018x} {MAGIC_VERSION:#018x}"),
    ))
}
