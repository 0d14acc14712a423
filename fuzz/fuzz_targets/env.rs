//! Environments: what a container's image and its pod can set.
#![no_main]

#[path = "../../crates/fpga/tests/support/bitstream_writer.rs"]
#[allow(dead_code)] // The other targets use the rest.
mod bitstream_writer;
#[path = "hook.rs"]
#[allow(dead_code)] // The other target uses the rest.
mod hook;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    hook::env::check(data);
});
