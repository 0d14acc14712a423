//! Environments: what a container's image and its pod can set.
#![no_main]

#[path = "hook.rs"]
#[allow(dead_code)] // The other target uses the rest.
mod hook;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    hook::env::check(data);
});
