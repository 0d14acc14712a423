//! Reviews of pods: what the API server passes on of what users write.
#![no_main]

use std::sync::LazyLock;

use fpga_webhook::testing::World;
use libfuzzer_sys::fuzz_target;

static WORLD: LazyLock<World> = LazyLock::new(World::default);

fuzz_target!(|data: &[u8]| {
    let _ = WORLD.check(data);
});
