//! AOCX files, as they are and as each of the layers inside an otherwise good file.
#![no_main]

mod check;

use fpga_emulator::bitstream_writer::{Class, aocx, aocx_around, elf};
use libfuzzer_sys::fuzz_target;

const HASH: &str = "40007c0623210742000ebc58df6f5343e668b03a";

fuzz_target!(|data: &[u8]| {
    check::check(data);
    check::check(&aocx_around(HASH, data));
    check::check(&aocx_around(HASH, &elf(Class::Elf64, &[(".acl.gbs.gz", data)])));
    check::check(&aocx(HASH, data));
});
