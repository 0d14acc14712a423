//! Environments: what a container's image and its pod can set.
#![no_main]

use fpga_hook::testing::check_environment;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check_environment(data);
});
