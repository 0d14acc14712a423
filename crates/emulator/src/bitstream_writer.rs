//! Writes bitstream files piece by piece, GBS and AOCX, so that a test can break each of the pieces. For a
//! whole one that an emulated card accepts see [`crate::gbs`].

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// The first 16 bytes of a GBS, spelled out a second time so that a test would notice if the parser's
/// constants were wrong.
pub const GBS_MAGIC: &[u8; 16] = b"XeonFPGA\xb7GBSv001";

/// A description with the fields that OPAE's packager writes.
#[must_use]
pub fn metadata(interface: &str, afu: &str) -> String {
    format!(
        r#"{{"version": 1, "platform-name": "DCP", "afu-image": {{
            "magic-no": 488605312, "interface-uuid": "{interface}", "power": 17,
            "clock-frequency-high": 400, "clock-frequency-low": "200.5",
            "afu-top-interface": {{"class": "ccip_std_afu"}},
            "accelerator-clusters": [
                {{"name": "nlb_400", "total-contexts": 1, "accelerator-type-uuid": "{afu}"}}
            ]}}}}"#
    )
}

/// A GBS around the description `metadata`.
///
/// # Panics
/// When a part is too long for the format's length fields.
#[must_use]
pub fn gbs(metadata: &str, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(metadata.len()).expect("metadata below 4 GiB");
    [&GBS_MAGIC[..], &length.to_le_bytes(), metadata.as_bytes(), payload].concat()
}

/// One member of a gzip stream.
///
/// # Panics
/// When a part is too long for the format's length fields.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("a vector takes every byte")
}

/// An AOCX named `hash` around a GBS.
///
/// # Panics
/// When a part is too long for the format's length fields.
#[must_use]
pub fn aocx(hash: &str, gbs: &[u8]) -> Vec<u8> {
    aocx_around(hash, &elf(Class::Elf64, &[(".acl.gbs.gz", gzip(gbs).as_slice())]))
}

/// An AOCX named `hash` around any bytes in the place of the inner ELF file.
///
/// # Panics
/// When a part is too long for the format's length fields.
#[must_use]
pub fn aocx_around(hash: &str, fpga: &[u8]) -> Vec<u8> {
    elf(
        Class::Elf64,
        &[
            (".acl.board", b"pac_a10\0"),
            (".acl.target", b"fpga"),
            (".acl.version", b" 17.1.1.273\n"),
            (".acl.rand_hash", hash.as_bytes()),
            (".acl.fpga.bin", fpga),
        ],
    )
}

/// The width of an ELF file's fields.
#[derive(Clone, Copy)]
pub enum Class {
    /// 32 bits, big-endian: the other of everything.
    Elf32,
    /// 64 bits, little-endian, as the compiler writes.
    Elf64,
}

/// Where [`elf`] puts things in an [`Class::Elf64`] file, for tests that break them.
pub mod layout {
    /// Offset of `e_shoff`, 8 bytes.
    pub const SECTION_HEADERS: usize = 0x28;
    /// Offset of `e_shentsize`, 2 bytes.
    pub const SECTION_HEADER_SIZE: usize = 0x3a;
    /// Offset of `e_shnum`, 2 bytes.
    pub const SECTION_COUNT: usize = 0x3c;
    /// Offset of `e_shstrndx`, 2 bytes.
    pub const NAMES_INDEX: usize = 0x3e;
    /// Length of the header, which the section headers follow.
    pub const HEADER: usize = 64;
    /// Length of a section header.
    pub const ENTRY: usize = 64;
    /// Offset of `sh_type` in a section header, 4 bytes.
    pub const TYPE: usize = 4;
    /// Offset of `sh_flags` in a section header, 8 bytes.
    pub const FLAGS: usize = 8;
    /// Offset of `sh_offset` in a section header, 8 bytes.
    pub const OFFSET: usize = 24;
    /// Offset of `sh_size` in a section header, 8 bytes.
    pub const SIZE: usize = 32;
}

/// An ELF file: header, section headers (an empty one, the given ones, the names), data.
///
/// # Panics
/// When a part is too long for the format's length fields.
#[must_use]
pub fn elf(class: Class, sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut names = vec![0];
    let mut rows = Vec::new();
    for (name, data) in sections.iter().chain([&(".shstrtab", &[][..])]) {
        rows.push((u32::try_from(names.len()).expect("names below 4 GiB"), *data));
        names.extend_from_slice(name.as_bytes());
        names.push(0);
    }
    rows.last_mut().expect("the row of the names").1 = &names;
    let count = u16::try_from(rows.len() + 1).expect("few sections");
    let mut file = elf_header(class, count);
    let mut headers = vec![0; class.entry()];
    let mut data = Vec::new();
    let data_start = file.len() + usize::from(count) * class.entry();
    for (name, bytes) in rows {
        let offset = data_start + data.len();
        headers.extend(class.section_header(name, offset as u64, bytes.len() as u64));
        data.extend_from_slice(bytes);
    }
    file.extend(headers);
    file.extend(data);
    file
}

fn elf_header(class: Class, sections: u16) -> Vec<u8> {
    let mut bytes = b"\x7fELF".to_vec();
    let (width, order, length) = match class {
        Class::Elf32 => (1, 2, 52),
        Class::Elf64 => (2, 1, 64),
    };
    bytes.extend([width, order, 1]);
    bytes.resize(16, 0);
    class.half(&mut bytes, 2);
    class.half(&mut bytes, 0);
    class.word(&mut bytes, 1);
    for value in [0, 0, length] {
        class.address(&mut bytes, value);
    }
    class.word(&mut bytes, 0);
    class.half(&mut bytes, u16::try_from(length).expect("64 at most"));
    class.half(&mut bytes, 0);
    class.half(&mut bytes, 0);
    class.half(&mut bytes, u16::try_from(class.entry()).expect("64 at most"));
    class.half(&mut bytes, sections);
    class.half(&mut bytes, sections - 1);
    bytes
}

impl Class {
    fn entry(self) -> usize {
        match self {
            Self::Elf32 => 40,
            Self::Elf64 => 64,
        }
    }

    fn half(self, bytes: &mut Vec<u8>, value: u16) {
        match self {
            Self::Elf32 => bytes.extend(value.to_be_bytes()),
            Self::Elf64 => bytes.extend(value.to_le_bytes()),
        }
    }

    fn word(self, bytes: &mut Vec<u8>, value: u32) {
        match self {
            Self::Elf32 => bytes.extend(value.to_be_bytes()),
            Self::Elf64 => bytes.extend(value.to_le_bytes()),
        }
    }

    fn address(self, bytes: &mut Vec<u8>, value: u64) {
        match self {
            Self::Elf32 => {
                bytes.extend(u32::try_from(value).expect("a file below 4 GiB").to_be_bytes())
            }
            Self::Elf64 => bytes.extend(value.to_le_bytes()),
        }
    }

    /// Name, type PROGBITS, no flags, no address, offset, size, no links, alignment 1.
    fn section_header(self, name: u32, offset: u64, size: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.word(&mut bytes, name);
        self.word(&mut bytes, 1);
        for value in [0, 0, offset, size] {
            self.address(&mut bytes, value);
        }
        self.word(&mut bytes, 0);
        self.word(&mut bytes, 0);
        self.address(&mut bytes, 1);
        self.address(&mut bytes, 0);
        bytes
    }
}
