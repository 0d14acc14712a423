//! A container's state and `config.json`, as they are and each beside a good one.
#![no_main]

#[path = "../../crates/fpga/tests/support/bitstream_writer.rs"]
#[allow(dead_code)] // The other targets use the rest.
mod bitstream_writer;
#[path = "hook.rs"]
#[allow(dead_code)] // The other target uses the rest.
mod hook;

use std::path::Path;

use hook::container::{check, split};
use hook::node::Node;
use libfuzzer_sys::fuzz_target;

const GOOD: &[u8] = include_bytes!("../corpus/oci_state_config/good-containerd");

thread_local! {
    /// In memory, since it is read again for each input.
    static NODE: Node = Node::new(Path::new("/dev/shm"));
}

fuzz_target!(|data: &[u8]| {
    let ((state, config), (good_state, good_config)) = (split(data), split(GOOD));
    NODE.with(|node| {
        check(node, state, config);
        check(node, state, good_config);
        check(node, good_state, config);
    });
});
