//! Reviews of pods: what the API server passes on of what users write.
#![no_main]

#[path = "admission/check.rs"]
#[allow(dead_code)] // The seeds use the rest.
mod check;

use std::sync::LazyLock;

use fpga_webhook::{decide, index};
use libfuzzer_sys::fuzz_target;

static WORLD: LazyLock<check::World> = LazyLock::new(check::World::new);

fuzz_target!(|data: &[u8]| {
    WORLD.check(data);
});
