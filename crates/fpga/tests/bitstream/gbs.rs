//! GBS: what is read, what is tolerated, what is refused.

use fpga::bitstream::{DEFAULT_INFLATE_LIMIT, Format, UserClock};

use crate::writer::{gbs, metadata};
use crate::{INTERFACE, NLB0, fault, good_gbs, parse};

/// Upstream: TestOpenGBS "correct GBS", TestFileGBSMethods.
#[test]
fn everything_that_the_file_says_is_read() {
    let file = good_gbs();
    let contents = parse(&file).unwrap();
    assert_eq!(contents.format(), Format::Gbs);
    assert_eq!(contents.interface_id().unwrap().to_string(), INTERFACE);
    assert_eq!(contents.afu_id().unwrap().to_string(), NLB0);
    assert_eq!(contents.hash().unwrap(), None);
    assert_eq!(contents.aocx(), None);
    assert_eq!(contents.payload_len(&file.as_slice(), DEFAULT_INFLATE_LIMIT).unwrap(), 5);
    let metadata = contents.metadata();
    assert_eq!(metadata.version, Some(1));
    assert_eq!(metadata.platform_name.as_deref(), Some("DCP"));
    assert_eq!(metadata.magic_no, Some(488_605_312));
    assert_eq!(metadata.power, Some(17.0));
    assert_eq!(metadata.ignored, [""; 0]);
    assert_eq!(metadata.clock_high, Some(UserClock::Mhz(400.0)));
    assert_eq!(metadata.clock_low, Some(UserClock::Mhz(200.5)));
    assert_eq!(metadata.interface_class.as_deref(), Some("ccip_std_afu"));
    assert_eq!(metadata.name.as_deref(), Some("nlb_400"));
    assert_eq!(metadata.total_contexts, Some(1));
}

#[test]
fn only_the_image_and_the_cluster_are_needed() {
    let json = r#"{"afu-image":{"accelerator-clusters":[{}]}}"#;
    let contents = parse(&gbs(json, b"x")).unwrap();
    let metadata = contents.metadata();
    assert_eq!((metadata.version, metadata.power), (None, None));
    assert_eq!((&metadata.clock_high, &metadata.name), (&None, &None));
}

#[test]
fn ids_are_accepted_in_every_spelling() {
    let json =
        metadata("69528DB6-EB31-577A-8C36-68F9FAA081F6", " D8424DC4-A4A3-C413-F89E-433683F9040B ");
    let contents = parse(&gbs(&json, b"x")).unwrap();
    assert_eq!(contents.interface_id().unwrap().to_string(), INTERFACE);
    assert_eq!(contents.afu_id().unwrap().to_string(), NLB0);
}

#[test]
fn keys_match_in_any_case_and_unknown_ones_are_ignored() {
    let json = metadata(INTERFACE, NLB0)
        .replace("afu-image", "AFU-Image")
        .replace("interface-uuid", "Interface-UUID")
        .replace("\"version\"", "\"unheard-of\": [{}], \"VERSION\"");
    let contents = parse(&gbs(&json, b"x")).unwrap();
    assert_eq!(contents.interface_id().unwrap().to_string(), INTERFACE);
    assert_eq!(contents.metadata().version, Some(1));
}

#[test]
fn a_key_in_two_spellings_is_refused() {
    let json = metadata(INTERFACE, NLB0)
        .replace("\"magic-no\"", "\"Interface-Uuid\": \"0\", \"magic-no\"");
    assert_eq!(
        fault(&gbs(&json, b"x")),
        "GBS metadata: afu-image.interface-uuid: found the key in several spellings, expected it once"
    );
}

#[test]
fn what_follows_the_json_is_ignored() {
    for rest in ["\0", "\0\0\0", "  \n", "}garbage", "{\"version\": 2}"] {
        let contents = parse(&gbs(&(metadata(INTERFACE, NLB0) + rest), b"x")).unwrap();
        assert_eq!(contents.metadata().version, Some(1), "{rest:?}");
    }
}

#[test]
fn null_counts_as_absent() {
    let json = metadata(INTERFACE, NLB0).replace("17", "null").replace("400,", "null,");
    let contents = parse(&gbs(&json, b"x")).unwrap();
    assert_eq!((contents.metadata().power, &contents.metadata().clock_high), (None, &None));
    assert_eq!(contents.metadata().ignored, [""; 0]);
}

/// The schema of OPAE has a number.
#[test]
fn power_may_be_any_number() {
    for (text, watts) in [("20.5", 20.5), ("0", 0.0), ("1e2", 100.0)] {
        let json = metadata(INTERFACE, NLB0).replace("17", text);
        let contents = parse(&gbs(&json, b"x")).unwrap();
        assert_eq!(contents.metadata().power, Some(watts), "{text}");
    }
}

#[test]
fn a_missing_id_is_an_error_only_where_it_is_used() {
    let json = metadata(INTERFACE, NLB0)
        .replace("interface-uuid", "x")
        .replace("accelerator-type-uuid", "y");
    let contents = parse(&gbs(&json, b"x")).unwrap();
    assert_eq!(contents.metadata().name.as_deref(), Some("nlb_400"));
    assert_eq!(
        contents.interface_id().unwrap_err().to_string(),
        "afu-image.interface-uuid: found nothing, expected 32 hexadecimal digits or a UUID"
    );
    assert_eq!(
        contents.afu_id().unwrap_err().to_string(),
        "afu-image.accelerator-clusters[0].accelerator-type-uuid: found nothing, expected 32 hexadecimal digits or a UUID"
    );
}

#[test]
fn an_id_that_is_none_never_becomes_one() {
    for id in ["../../etc/passwd", "d8424dc4", "..", "/", "g8424dc4a4a3c413f89e433683f9040b"] {
        let contents = parse(&gbs(&metadata(id, id), b"x")).unwrap();
        let expected = "expected 32 hexadecimal digits or a UUID";
        assert_eq!(
            contents.interface_id().unwrap_err().to_string(),
            format!("afu-image.interface-uuid: found {id:?}, {expected}")
        );
        assert!(contents.afu_id().is_err(), "{id}");
    }
}

#[test]
fn the_id_of_a_crashed_device_is_no_function() {
    let contents = parse(&gbs(&metadata(INTERFACE, &"f".repeat(32)), b"x")).unwrap();
    assert_eq!(
        contents.afu_id().unwrap_err().to_string(),
        "afu-image.accelerator-clusters[0].accelerator-type-uuid: found all ones, which a device without firmware or link shows, expected the id of a function"
    );
}

#[test]
fn user_clocks_are_frequencies_or_texts() {
    let with = |clock: &str| {
        let json = metadata(INTERFACE, NLB0).replace("400,", &format!("{clock},"));
        parse(&gbs(&json, b"x")).map(|contents| contents.metadata().clock_high.clone())
    };
    assert_eq!(with("312.5").unwrap(), Some(UserClock::Mhz(312.5)));
    assert_eq!(with("\"312\"").unwrap(), Some(UserClock::Mhz(312.0)));
    assert_eq!(with("\"auto-307\"").unwrap(), Some(UserClock::Text("auto-307".into())));
    assert_eq!(with("\"inf\"").unwrap(), Some(UserClock::Text("inf".into())));
    assert_eq!(with("0").unwrap(), None);
    for clock in ["-1", "true", "[]", "{}"] {
        let fault = with(clock).unwrap_err().to_string();
        assert!(fault.contains("afu-image.clock-frequency-high: found "), "{fault}");
        assert!(fault.ends_with("expected a frequency in MHz or a text"), "{fault}");
    }
}

#[test]
fn exactly_one_cluster_is_needed() {
    let path = "GBS metadata: afu-image.accelerator-clusters";
    for (clusters, expected) in [
        ("[]", format!("{path}: found 0 elements, expected exactly one")),
        ("[{},{}]", format!("{path}: found 2 elements, expected exactly one")),
        ("{}", format!("{path}: found an object, expected an array")),
        ("[7]", format!("{path}[0]: found a number, expected an object")),
        ("null", format!("{path}: found nothing, expected it to be there")),
    ] {
        let json = format!(r#"{{"afu-image":{{"accelerator-clusters":{clusters}}}}}"#);
        assert_eq!(fault(&gbs(&json, b"x")), expected);
    }
}

/// What nothing depends on costs nobody the file, but is not hidden.
#[test]
fn fields_of_the_wrong_type_are_named() {
    for (from, to, expected) in [
        ("\"version\": 1", "\"version\": 1.5", "version: found 1.5, expected a 64-bit integer"),
        ("\"DCP\"", "7", "platform-name: found 7, expected a text"),
        (
            "488605312",
            "\"x\\u001b[2J\"",
            "afu-image.magic-no: found \"x\\u{1b}[2J\", expected a 64-bit integer",
        ),
        ("17", "true", "afu-image.power: found true, expected a number"),
        (
            "\"nlb_400\"",
            "[]",
            "afu-image.accelerator-clusters[0].name: found an array, expected a text",
        ),
        (
            "\"total-contexts\": 1",
            "\"total-contexts\": {}",
            "afu-image.accelerator-clusters[0].total-contexts: found an object, expected a 64-bit integer",
        ),
        (
            "{\"class\": \"ccip_std_afu\"}",
            "3",
            "afu-image.afu-top-interface: found 3, expected an object",
        ),
        (
            "\"version\": 1",
            "\"Version\": 1, \"version\": 1",
            "version: found the key in several spellings, expected it once",
        ),
    ] {
        let json = metadata(INTERFACE, NLB0);
        assert!(json.contains(from), "{from}");
        let contents = parse(&gbs(&json.replace(from, to), b"x")).unwrap();
        assert_eq!(contents.metadata().ignored, [expected]);
        assert_eq!(contents.interface_id().unwrap().to_string(), INTERFACE);
        assert_eq!(contents.afu_id().unwrap().to_string(), NLB0);
        assert_eq!(contents.metadata().clock_high, Some(UserClock::Mhz(400.0)));
    }
}

/// What is programmed, and where, depends on these.
#[test]
fn an_id_of_the_wrong_type_is_refused() {
    for (from, to, expected) in [
        (INTERFACE, "12", "afu-image.interface-uuid: found 12, expected a text"),
        (
            NLB0,
            "[]",
            "afu-image.accelerator-clusters[0].accelerator-type-uuid: found an array, expected a text",
        ),
    ] {
        let json = metadata(INTERFACE, NLB0).replace(&format!("\"{from}\""), to);
        assert_eq!(fault(&gbs(&json, b"x")), format!("GBS metadata: {expected}"));
    }
}

#[test]
fn what_is_no_json_object_is_refused() {
    let start = "GBS metadata: JSON: found ";
    for (json, found) in [
        ("\0", "expected value"),
        ("  ", "nothing"),
        ("[1]", "an array"),
        ("7", "a number"),
        ("{\"a\"", "EOF"),
    ] {
        let fault = fault(&gbs(json, b"x"));
        assert!(fault.starts_with(&format!("{start}{found}")), "{fault}");
        assert!(fault.ends_with(", expected one JSON object"), "{fault}");
    }
}

#[test]
fn deep_json_is_refused_without_deep_recursion() {
    let depth = 2000;
    let json = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let fault = fault(&gbs(&json, b"x"));
    assert!(fault.contains("recursion limit exceeded"), "{fault}");
}

#[test]
fn the_magic_is_checked_in_both_words() {
    let mut file = good_gbs();
    file[15] = b'2';
    assert_eq!(
        fault(&file),
        "GBS header: magic: found 0x414750466e6f6558 0x32303076534247b7, expected 0x414750466e6f6558 0x31303076534247b7"
    );
    file[0] = b'x';
    assert_eq!(
        fault(&file),
        "magic: found 78656f6e46504741, expected a GBS (58656f6e46504741) or an ELF file (7f454c46)"
    );
}

/// Files that people may well have, and that a region here does not take.
#[test]
fn other_kinds_of_files_are_called_what_they_are() {
    let mut nameless = good_gbs();
    nameless[16..20].copy_from_slice(&[0; 4]);
    for (file, what) in [
        (nameless, "it is a GBS without a description: "),
        (
            [&0x1d1f_8680_u32.to_le_bytes()[..], &[7; 64]].concat(),
            "it is a GBS of the first kind (1d1f8680), ",
        ),
        (
            [&0xb6ea_fd19_u32.to_le_bytes()[..], &[7; 1024]].concat(),
            "it is a signed image of a card's flash memory, ",
        ),
    ] {
        let fault = fault(&file);
        assert!(fault.starts_with(what), "{fault}");
    }
}

#[test]
fn the_length_of_the_metadata_is_bounded() {
    for length in [8192, 1 << 31, u32::MAX] {
        let mut file = good_gbs();
        file[16..20].copy_from_slice(&length.to_le_bytes());
        assert_eq!(
            fault(&file),
            format!("GBS header: length of the metadata: found {length}, expected 1 to 8191 bytes")
        );
    }
    let longest = metadata(INTERFACE, NLB0) + &" ".repeat(8191);
    assert!(parse(&gbs(&longest[..8191], b"x")).is_ok());
}

/// Upstream panicked on a file without an image, and on metadata that the file does not hold.
#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    let file = good_gbs();
    let image = file.len() - b"image".len();
    for length in 0..=image {
        let fault = fault(&file[..length]);
        let expected = match length {
            0..8 => format!("magic: truncated: {length} of 8 bytes are there"),
            8..20 => format!("GBS header: truncated: {length} of 20 bytes are there"),
            _ if length < image => {
                format!(
                    "GBS metadata: truncated: {} of {} bytes are there",
                    length - 20,
                    image - 20
                )
            }
            _ => "GBS payload: found 0 bytes, expected an image after the metadata".to_owned(),
        };
        assert_eq!(fault, expected);
    }
    assert!(parse(&file[..=image]).is_ok());
}
