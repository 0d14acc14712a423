//! Reviews of pods: what the API server passes on of what users write, and what it takes of memory.
#![no_main]

#[path = "../../crates/webhook/tests/memory/counting.rs"]
mod counting;

use std::sync::LazyLock;

use fpga_webhook::testing::World;
use libfuzzer_sys::fuzz_target;

use counting::{Counting, count};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static WORLD: LazyLock<World> = LazyLock::new(World::default);

/// What the largest patch takes, however small the review is.
const PATCH: usize = 1024 * 1024;

fuzz_target!(|data: &[u8]| {
    let world = &*WORLD;
    let (_, cost) = count(|| world.decide(data));
    let most = 8 * data.len() + PATCH;
    assert!(cost.peak <= most, "{} bytes take {cost:?}", data.len());
    let _ = world.check(data);
});
