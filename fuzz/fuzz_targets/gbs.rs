//! GBS files, as they are and as the description inside an otherwise good file.
#![no_main]

mod check;

use fpga_emulator::bitstream_writer as writer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check::check(data);
    if let Ok(metadata) = std::str::from_utf8(data) {
        check::check(&writer::gbs(metadata, b"image"));
    }
});
