//! What holds for every input.

use fpga::bitstream::Contents;

const INFLATE_LIMIT: u64 = 1 << 20;

/// Parses `bytes` and asks for everything that can be asked.
pub fn check(bytes: &[u8]) {
    let length = Contents::parse(&bytes).and_then(|contents| {
        let _ = (contents.interface_id(), contents.afu_id(), contents.hash());
        let ignored = contents.metadata().ignored.iter();
        ignored.for_each(|text| assert!(!text.contains(char::is_control), "{text:?}"));
        contents.payload_len(&bytes, INFLATE_LIMIT)
    });
    match length {
        Ok(length) => assert!(length > 0 && length <= INFLATE_LIMIT.max(bytes.len() as u64)),
        // One line on a terminal, whatever is in the file.
        Err(fault) => assert!(!fault.to_string().contains(char::is_control), "{fault:?}"),
    }
}
