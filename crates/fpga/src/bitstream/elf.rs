//! Sections of an ELF file by name, with every offset and length checked before it is used.
//!
//! The crate `elf` knows the layout of the two structures; what to read, and how much of it, is
//! decided here, because a sparse file of a terabyte costs its author nothing.

use elf::abi::{SHF_COMPRESSED, SHT_NOBITS};
use elf::endian::AnyEndian;
use elf::file::{Class, ELF32_EHDR_TAILSIZE, ELF64_EHDR_TAILSIZE, FileHeader, parse_ident};
use elf::parse::ParseAt;
use elf::section::{SectionHeader, SectionHeaderTable};

use super::ParseError;
use super::extent::{Extent, fill};

/// The first bytes of every ELF file.
pub(super) const MAGIC: [u8; 4] = *b"\x7fELF";

/// More sections than any compiler of bitstreams writes.
const SECTIONS_LIMIT: u16 = 4096;
/// The same for the names of all sections together, in bytes.
const NAMES_LIMIT: u64 = 64 * 1024;
const IDENT_LEN: usize = 16;

/// An ELF file's table of sections.
pub(super) struct Sections<'a> {
    file: Extent<'a>,
    headers: Vec<u8>,
    names: Vec<u8>,
    endian: AnyEndian,
    class: Class,
}

impl<'a> Sections<'a> {
    /// Reads the table of sections of the ELF file `file`.
    pub(super) fn read(file: Extent<'a>) -> Result<Self, ParseError> {
        let header = read_header(file)?;
        let headers = read_table(file, &header)?;
        let mut sections = Self {
            file,
            headers,
            names: Vec::new(),
            endian: header.endianness,
            class: header.class,
        };
        let index = usize::from(header.e_shstrndx);
        let names = sections.table().get(index).map_err(|_| {
            let count = sections.table().len();
            let expected = format!("below the number of sections ({count})");
            ParseError::value("ELF header: index of the section names", index.to_string(), expected)
        })?;
        let field = "ELF section names";
        let names = sections.data(field, &names)?.read_all(field, NAMES_LIMIT)?;
        sections.names = names;
        Ok(sections)
    }

    /// The data of the first section called `name`.
    pub(super) fn find(&self, name: &'static str) -> Result<Option<Extent<'a>>, ParseError> {
        let header = self.table().iter().find(|header| self.name(header) == Some(name.as_bytes()));
        header.map(|header| self.data(name, &header)).transpose()
    }

    /// True when a section's name begins with `start`.
    pub(super) fn has_name_with(&self, start: &str) -> bool {
        let mut names = self.table().iter();
        names
            .any(|header| self.name(&header).is_some_and(|name| name.starts_with(start.as_bytes())))
    }

    fn table(&self) -> SectionHeaderTable<'_, AnyEndian> {
        SectionHeaderTable::new(self.endian, self.class, &self.headers)
    }

    fn name(&self, header: &SectionHeader) -> Option<&[u8]> {
        let rest = self.names.get(usize::try_from(header.sh_name).ok()?..)?;
        rest.split(|&byte| byte == 0).next()
    }

    fn data(&self, field: &'static str, header: &SectionHeader) -> Result<Extent<'a>, ParseError> {
        if header.sh_type == SHT_NOBITS {
            return Err(ParseError::value(field, "a section without data", "data in the file"));
        }
        if header.sh_flags & u64::from(SHF_COMPRESSED) != 0 {
            return Err(ParseError::value(field, "a compressed section", "plain data"));
        }
        self.file.part(field, header.sh_offset, header.sh_size)
    }
}

fn read_header(file: Extent<'_>) -> Result<FileHeader<AnyEndian>, ParseError> {
    const FIELD: &str = "ELF header";
    let mut reader = file.reader();
    let mut ident = [0; IDENT_LEN];
    fill(&mut reader, FIELD, &mut ident)?;
    let invalid = |fault: elf::ParseError| {
        ParseError::value(FIELD, fault.to_string(), "a 32-bit or 64-bit ELF file of version 1")
    };
    let ident = parse_ident::<AnyEndian>(&ident).map_err(invalid)?;
    let mut tail = [0; ELF64_EHDR_TAILSIZE];
    let tail = match ident.1 {
        Class::ELF32 => &mut tail[..ELF32_EHDR_TAILSIZE],
        Class::ELF64 => &mut tail[..],
    };
    fill(&mut reader, FIELD, tail)?;
    FileHeader::parse_tail(ident, tail).map_err(invalid)
}

fn read_table(file: Extent<'_>, header: &FileHeader<AnyEndian>) -> Result<Vec<u8>, ParseError> {
    let count = header.e_shnum;
    if !(1..=SECTIONS_LIMIT).contains(&count) {
        return Err(ParseError::value(
            "ELF header: number of sections",
            count.to_string(),
            format!("1 to {SECTIONS_LIMIT}"),
        ));
    }
    let entry = SectionHeader::size_for(header.class);
    if usize::from(header.e_shentsize) != entry {
        return Err(ParseError::value(
            "ELF header: size of a section header",
            header.e_shentsize.to_string(),
            format!("{entry} bytes"),
        ));
    }
    let len = entry as u64 * u64::from(count);
    file.part("ELF section headers", header.e_shoff, len)?.read_all("ELF section headers", len)
}
