//! AOCX, what Intel's OpenCL compiler writes: an ELF file whose section [`SECTION_FPGA`] is an ELF
//! file again, whose section [`SECTION_GBS`] is a GBS compressed by gzip.

use std::io::Read;

use super::elf::Sections;
use super::extent::Extent;
use super::gbs::{self, Head};
use super::inflate::Inflated;
use super::{ParseError, contents, inflate};
use crate::id::{AocxHash, ParseIdError};

/// The section with the FPGA's image.
pub const SECTION_FPGA: &str = ".acl.fpga.bin";
/// The section of the inner ELF file with the compressed GBS.
pub const SECTION_GBS: &str = ".acl.gbs.gz";
/// The section with the hash that names the file.
pub const SECTION_HASH: &str = ".acl.rand_hash";
/// The section with the board's name.
pub const SECTION_BOARD: &str = ".acl.board";
/// The section with the kind of build, `fpga` for hardware.
pub const SECTION_TARGET: &str = ".acl.target";
/// The section with the compiler's version.
pub const SECTION_VERSION: &str = ".acl.version";

/// The longest text section that is read, in bytes.
const TEXT_LIMIT: u64 = 4096;

/// What an AOCX says beyond its GBS. Texts are as in the file, without blanks around them, and may
/// hold control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aocx {
    /// Names the file; the error has an empty text when the section is missing.
    pub hash: Result<AocxHash, ParseIdError>,
    /// The board that it was built for.
    pub board: Option<String>,
    /// The kind of build.
    pub target: Option<String>,
    /// The compiler's version.
    pub version: Option<String>,
}

/// An AOCX taken apart.
pub(super) struct Parts<'a> {
    pub(super) aocx: Aocx,
    pub(super) head: Head,
    pub(super) compressed: Extent<'a>,
    pub(super) is_signed: bool,
}

/// Reads the description of the AOCX `file`, of whose compressed data only the first kilobytes.
pub(super) fn read(file: Extent<'_>) -> Result<Parts<'_>, ParseError> {
    let sections = Sections::read(file)?;
    let aocx = Aocx {
        hash: text(&sections, SECTION_HASH)?.unwrap_or_default().parse(),
        board: text(&sections, SECTION_BOARD)?,
        target: text(&sections, SECTION_TARGET)?,
        version: text(&sections, SECTION_VERSION)?,
    };
    let compressed = required(&sections, SECTION_FPGA)
        .and_then(|image| {
            let inner = Sections::read(image)?;
            inner.find(SECTION_GBS)?.ok_or_else(|| of_other_board(&aocx))
        })
        .map_err(|fault| fault.within(SECTION_FPGA));
    let compressed = compressed.map_err(|fault| of_no_card(&sections, &aocx).unwrap_or(fault))?;
    let (head, is_signed) = read_head(compressed).map_err(|fault| fault.within(SECTION_GBS))?;
    Ok(Parts { aocx, head, compressed, is_signed })
}

/// A board that OPAE does not program has its image in another section, such as `.acl.rbf.gz`.
fn of_other_board(aocx: &Aocx) -> ParseError {
    let board = aocx.board.as_deref().unwrap_or_default();
    ParseError::Foreign(format!(
        "an OpenCL image of board {board:?} without a GBS ({SECTION_GBS} in {SECTION_FPGA}): the board's own tools \
         program it, not OPAE's driver"
    ))
}

/// What the compiler writes for a processor instead of a card.
fn of_no_card(sections: &Sections<'_>, aocx: &Aocx) -> Option<ParseError> {
    let target = aocx.target.as_deref().unwrap_or_default();
    let kind = ["emulator", "simulator"].into_iter().find(|kind| {
        target.starts_with(kind) || sections.has_name_with(&format!(".acl.{kind}_object"))
    })?;
    Some(ParseError::Foreign(format!(
        "an OpenCL program for the {kind}: it holds no image for a card"
    )))
}

/// The head, and whether the image after it is signed.
fn read_head(compressed: Extent<'_>) -> Result<(Head, bool), ParseError> {
    /// Of the image, as much as tells a signature.
    const START: u64 = 4;
    let longest = gbs::HEADER_LEN as u64 + u64::from(gbs::METADATA_LIMIT);
    let mut inflated = Inflated::new(compressed, longest + START);
    let head = gbs::read_head(&mut inflated)?;
    let mut first = [0];
    match inflated.read(&mut first) {
        Ok(0) => Err(gbs::no_payload()),
        Ok(_) => Ok((head, contents::is_signed(&mut first.as_slice().chain(inflated)))),
        Err(cause) => Err(inflate::damaged(cause)),
    }
}

fn required<'a>(sections: &Sections<'a>, name: &'static str) -> Result<Extent<'a>, ParseError> {
    let missing = || ParseError::value("ELF sections", format!("no {name}"), "it to be there");
    sections.find(name)?.ok_or_else(missing)
}

fn text(sections: &Sections<'_>, name: &'static str) -> Result<Option<String>, ParseError> {
    let Some(section) = sections.find(name)? else { return Ok(None) };
    let bytes = section.read_all(name, TEXT_LIMIT)?;
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    Ok(Some(String::from_utf8_lossy(&bytes[..end]).trim().to_owned()))
}
