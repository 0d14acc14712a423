//! A container's state and `config.json`, as they are and each beside a good one.
#![no_main]

use std::path::Path;

use fpga_hook::testing::{Node, check_container, split_container};
use libfuzzer_sys::fuzz_target;

const GOOD: &[u8] = include_bytes!("../corpus/oci_state_config/good-containerd");

thread_local! {
    /// In memory, since it is read again for each input.
    static NODE: Node = Node::new(Path::new("/dev/shm"));
}

fuzz_target!(|data: &[u8]| {
    let ((state, config), (good_state, good_config)) =
        (split_container(data), split_container(GOOD));
    NODE.with(|node| {
        check_container(node, state, config);
        check_container(node, state, good_config);
        check_container(node, good_state, config);
    });
});
