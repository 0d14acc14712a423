//! GBS files, as they are and as the description inside an otherwise good file.
#![no_main]

#[path = "check.rs"]
mod check;
#[path = "../../crates/fpga/tests/support/bitstream_writer.rs"]
#[allow(dead_code)]
mod writer;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check::check(data);
    if let Ok(metadata) = std::str::from_utf8(data) {
        check::check(&writer::gbs(metadata, b"image"));
    }
});
