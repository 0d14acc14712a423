//! AOCX: ELF, gzip and the GBS inside, well-formed and hostile.

use fpga::bitstream::{Contents, DEFAULT_INFLATE_LIMIT, Format};

use crate::writer::{Class, aocx, aocx_around, elf, gbs, gzip, layout, metadata};
use crate::{HASH, INTERFACE, NLB0, fault, good_aocx, good_gbs, parse};

/// An image without a GBS of the board that the writer names.
const OF_OTHER_TOOLS: &str = "it is an OpenCL image of board \"pac_a10\" without a GBS (.acl.gbs.gz in .acl.fpga.bin): the board's own tools program it, not OPAE's driver";

fn length(file: &[u8], limit: u64) -> Result<u64, String> {
    let contents = parse(file).unwrap();
    contents.payload_len(&file, limit).map_err(|fault| fault.to_string())
}

fn put(file: &mut [u8], offset: usize, bytes: &[u8]) {
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// Offset of the header of section `index`, of which [`aocx_around`] gives `.acl.fpga.bin` number 5.
fn section(index: usize) -> usize {
    layout::HEADER + index * layout::ENTRY
}

fn check_good(contents: &Contents) {
    assert_eq!(contents.format(), Format::Aocx);
    assert_eq!(contents.interface_id().unwrap().to_string(), INTERFACE);
    assert_eq!(contents.afu_id().unwrap().to_string(), NLB0);
    assert_eq!(contents.hash().unwrap().unwrap().to_string(), HASH);
}

#[test]
fn everything_that_the_file_says_is_read() {
    let file = good_aocx();
    let contents = parse(&file).unwrap();
    check_good(&contents);
    let aocx = contents.aocx().unwrap();
    assert_eq!(aocx.board.as_deref(), Some("pac_a10"));
    assert_eq!(aocx.target.as_deref(), Some("fpga"));
    assert_eq!(aocx.version.as_deref(), Some("17.1.1.273"));
    assert_eq!(length(&file, DEFAULT_INFLATE_LIMIT), Ok(5));
}

#[test]
fn either_width_and_byte_order_is_read() {
    let inner = elf(Class::Elf32, &[(".acl.gbs.gz", gzip(&good_gbs()).as_slice())]);
    let file = elf(Class::Elf32, &[(".acl.fpga.bin", &inner), (".acl.rand_hash", HASH.as_bytes())]);
    check_good(&parse(&file).unwrap());
}

#[test]
fn an_image_in_several_gzip_members_is_one_image() {
    let (start, end) = (&good_gbs()[..30], &good_gbs()[30..]);
    let stream = [gzip(start), gzip(end)].concat();
    let file = aocx_around(HASH, &elf(Class::Elf64, &[(".acl.gbs.gz", stream.as_slice())]));
    check_good(&parse(&file).unwrap());
    assert_eq!(length(&file, DEFAULT_INFLATE_LIMIT), Ok(5));
}

#[test]
fn a_missing_or_malformed_hash_is_an_error_only_where_it_is_used() {
    for (hash, found) in [("", "nothing"), ("../x", "\"../x\""), ("f7df", "\"f7df\"")] {
        let contents = parse(&aocx(hash, &good_gbs())).unwrap();
        assert_eq!(contents.afu_id().unwrap().to_string(), NLB0);
        assert_eq!(
            contents.hash().unwrap_err().to_string(),
            format!(".acl.rand_hash: found {found}, expected 40 hexadecimal digits")
        );
    }
    let bare = elf(Class::Elf64, &[(".acl.gbs.gz", gzip(&good_gbs()).as_slice())]);
    let contents = parse(&elf(Class::Elf64, &[(".acl.fpga.bin", &bare)])).unwrap();
    assert!(contents.hash().is_err());
    assert_eq!(contents.aocx().unwrap().board, None);
}

/// What the compiler writes for a processor, in the spellings of its releases.
#[test]
fn programs_for_no_card_are_called_what_they_are() {
    let expected = |kind: &str| {
        format!("it is an OpenCL program for the {kind}: it holds no image for a card")
    };
    let of = |sections: &[(&str, &[u8])]| fault(&elf(Class::Elf64, sections));
    for (sections, kind) in [
        (&[(".acl.target", &b"emulator"[..])][..], "emulator"),
        (&[(".acl.target", b"emulator_fast\0"), (".acl.board", b"pac_a10")], "emulator"),
        (&[(".acl.emulator_object.linux", b"\x7fELF")], "emulator"),
        (&[(".acl.emulator_object.windows", b"MZ"), (".acl.target", b"fpga")], "emulator"),
        (&[(".acl.target", b"simulator")], "simulator"),
        (&[(".acl.target", b"simulator"), (".acl.fpga.bin", b"x")], "simulator"),
    ] {
        assert_eq!(of(sections), expected(kind), "{sections:?}");
    }
}

#[test]
fn a_signature_is_seen() {
    let signed = [&[0x19, 0xfd, 0xea, 0xb6][..], b"image"].concat();
    let json = metadata(INTERFACE, NLB0);
    for (image, is_signed) in
        [(signed.as_slice(), true), (&signed[..4], true), (&signed[..3], false), (b"image", false)]
    {
        let file = gbs(&json, image);
        assert_eq!(parse(&file).unwrap().is_signed(), is_signed, "{image:?}");
        assert_eq!(parse(&aocx(HASH, &file)).unwrap().is_signed(), is_signed, "{image:?}");
    }
}

/// Upstream opens such a file and panics when it is shown.
#[test]
fn files_without_an_image_are_refused() {
    assert_eq!(
        fault(&elf(Class::Elf64, &[(".acl.rand_hash", HASH.as_bytes())])),
        ".acl.fpga.bin: ELF sections: found no .acl.fpga.bin, expected it to be there"
    );
    assert_eq!(fault(&aocx_around(HASH, &elf(Class::Elf64, &[]))), OF_OTHER_TOOLS);
    assert_eq!(
        fault(&aocx(HASH, &gbs(&metadata(INTERFACE, NLB0), b""))),
        ".acl.gbs.gz: GBS payload: found 0 bytes, expected an image after the metadata"
    );
}

#[test]
fn what_is_inside_is_named_with_what_is_around_it() {
    let fault_of = |fpga: &[u8]| fault(&aocx_around(HASH, fpga));
    assert_eq!(fault_of(b"short"), ".acl.fpga.bin: ELF header: truncated: 5 of 16 bytes are there");
    let no_elf = fault_of(&[b'x'; 200]);
    assert!(no_elf.starts_with(".acl.fpga.bin: ELF header: found "), "{no_elf}");
    let no_gzip = fault_of(&elf(Class::Elf64, &[(".acl.gbs.gz", b"no gzip data here")]));
    assert!(no_gzip.starts_with(".acl.gbs.gz: GBS header: cannot be read: "), "{no_gzip}");
    assert_eq!(
        fault_of(&elf(Class::Elf64, &[(".acl.gbs.gz", gzip(&[b'x'; 200]).as_slice())])),
        ".acl.gbs.gz: GBS header: magic: found 0x7878787878787878 0x7878787878787878, expected 0x414750466e6f6558 0x31303076534247b7"
    );
}

#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    let file = good_aocx();
    for length in 0..file.len() {
        // The last section holds the names, so that nothing at the end can be missed.
        assert!(parse(&file[..length]).is_err(), "{length} of {} bytes", file.len());
    }
}

#[test]
fn sections_outside_the_file_are_refused() {
    let header = section(5);
    for (field, value) in [
        (layout::OFFSET, u64::MAX),
        (layout::SIZE, u64::MAX),
        (layout::SIZE, 4 << 30),
        (layout::OFFSET, 4 << 30),
    ] {
        let mut file = good_aocx();
        put(&mut file, header + field, &value.to_le_bytes());
        let fault = fault(&file);
        assert!(fault.starts_with(".acl.fpga.bin: .acl.fpga.bin: truncated: "), "{fault}");
    }
}

#[test]
fn overlapping_sections_harm_nobody() {
    let good = good_aocx();
    // The board's name now lies over the whole inner file, and then over everything.
    let of_fpga = good[section(5) + layout::OFFSET..section(5) + layout::SIZE + 8].to_vec();
    let mut file = good.clone();
    put(&mut file, section(1) + layout::OFFSET, &of_fpga);
    assert!(parse(&file).is_ok());
    // The image as the file itself: an AOCX in itself without end would have no GBS.
    let mut file = good.clone();
    put(&mut file, section(5) + layout::OFFSET, &0_u64.to_le_bytes());
    put(&mut file, section(5) + layout::SIZE, &(good.len() as u64).to_le_bytes());
    assert_eq!(fault(&file), OF_OTHER_TOOLS);
}

#[test]
fn tables_beyond_any_compiler_are_refused() {
    let broken = |offset, bytes: &[u8]| {
        let mut file = good_aocx();
        put(&mut file, offset, bytes);
        fault(&file)
    };
    assert_eq!(
        broken(layout::SECTION_COUNT, &[0xff, 0xff]),
        "ELF header: number of sections: found 65535, expected 1 to 4096"
    );
    assert_eq!(
        broken(layout::SECTION_COUNT, &[0, 0]),
        "ELF header: number of sections: found 0, expected 1 to 4096"
    );
    assert_eq!(
        broken(layout::SECTION_COUNT, &[0, 0x10]),
        format!(
            "ELF section headers: truncated: {} of 262144 bytes are there",
            good_aocx().len() - 64
        )
    );
    assert_eq!(
        broken(layout::SECTION_HEADER_SIZE, &[1, 0]),
        "ELF header: size of a section header: found 1, expected 64 bytes"
    );
    assert_eq!(
        broken(layout::SECTION_HEADERS, &u64::MAX.to_le_bytes()),
        "ELF section headers: truncated: 0 of 448 bytes are there"
    );
    assert_eq!(
        broken(layout::NAMES_INDEX, &[7, 0]),
        "ELF header: index of the section names: found 7, expected below the number of sections (7)"
    );
}

#[test]
fn names_and_texts_are_bounded() {
    let long = "x".repeat(70_000);
    assert_eq!(
        fault(&elf(Class::Elf64, &[(&long, b"")])),
        "ELF section names: found 70012 bytes, expected at most 65536 bytes"
    );
    let text = [b'x'; 4097];
    assert_eq!(
        fault(&elf(Class::Elf64, &[(".acl.rand_hash", &text)])),
        ".acl.rand_hash: found 4097 bytes, expected at most 4096 bytes"
    );
}

#[test]
fn sections_without_plain_data_are_refused() {
    let broken = |field, bytes: &[u8]| {
        let mut file = good_aocx();
        put(&mut file, section(5) + field, bytes);
        fault(&file)
    };
    assert_eq!(
        broken(layout::TYPE, &[8, 0, 0, 0]),
        ".acl.fpga.bin: .acl.fpga.bin: found a section without data, expected data in the file"
    );
    assert_eq!(
        broken(layout::FLAGS, &0x800_u64.to_le_bytes()),
        ".acl.fpga.bin: .acl.fpga.bin: found a compressed section, expected plain data"
    );
}

#[test]
fn a_gzip_bomb_stops_at_the_limit() {
    let json = metadata(INTERFACE, NLB0);
    let image = vec![0; 8 << 20];
    let file = aocx(HASH, &gbs(&json, &image));
    assert!(file.len() < 32 << 10, "a bomb is small: {}", file.len());
    let all = (20 + json.len() + image.len()) as u64;
    assert_eq!(length(&file, all), Ok(8 << 20));
    assert_eq!(
        length(&file, all - 1),
        Err(format!(".acl.gbs.gz: cannot be read: inflates to more than {} bytes", all - 1))
    );
}

#[test]
fn damage_behind_the_description_is_found_by_reading_to_the_end() {
    let stream = gzip(&gbs(&metadata(INTERFACE, NLB0), &[7; 100_000]));
    let around = |stream: &[u8]| aocx_around(HASH, &elf(Class::Elf64, &[(".acl.gbs.gz", stream)]));
    let checksum = stream.len() - 8;
    let mut wrong = stream.clone();
    wrong[checksum] ^= 1;
    for damaged in [&wrong[..], &stream[..checksum], &[&stream[..], b"garbage"].concat()[..]] {
        let fault = length(&around(damaged), DEFAULT_INFLATE_LIMIT).unwrap_err();
        assert!(fault.starts_with(".acl.gbs.gz: cannot be read: "), "{fault}");
    }
    assert_eq!(length(&around(&stream), DEFAULT_INFLATE_LIMIT), Ok(100_000));
}
