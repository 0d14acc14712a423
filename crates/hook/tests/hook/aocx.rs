//! OpenCL images, which are asked for by their hash and show a function id of their own.

use fpga_emulator::bitstream_writer::aocx;

use crate::container::Container;
use crate::node::{HELLO, NLB0, NLB3, Node, TWO_CARDS, gbs};

const HASH: &str = "40007c0623210742000ebc58df6f5343e668b03a";
const OTHER: &str = "1111111111111111111111111111111111111111";

/// A node with an OpenCL image in the store, which shows NLB mode 0 when it is loaded.
fn node() -> Node {
    let node = Node::start(TWO_CARDS);
    std::fs::remove_file(node.image(NLB0)).unwrap();
    node.put(&node.image(HASH), &aocx(HASH, &gbs(NLB0)));
    node.grant("vision", &[HASH, OTHER]);
    node
}

fn create(node: &Node, hash: &str) -> String {
    let outcome = node.create(&Container::new(node).promised(1, hash).with("dfl-port.0"));
    outcome.succeeded().join("\n")
}

/// Intel's hook compared the hash with the function id, and programmed it again every time.
#[test]
fn accepts_an_image_and_knows_it_again() {
    let node = node();
    assert!(create(&node, HASH).contains(": programmed function"));
    assert_eq!(node.function("dfl-port.0"), NLB0);
    assert!(create(&node, HASH).ends_with(": reset"));
}

/// All images of a board may show one function.
#[test]
fn an_image_that_cannot_be_told_from_another_is_programmed() {
    let node = node();
    create(&node, HASH);
    node.put(&node.image(OTHER), &aocx(OTHER, &gbs(NLB0)));
    for hash in [OTHER, HASH, HASH] {
        assert!(create(&node, hash).contains(": programmed function"), "{hash}");
    }
    std::fs::remove_file(node.image(OTHER)).unwrap();
    assert!(create(&node, HASH).ends_with(": reset"));
    node.install(NLB0);
    assert!(
        create(&node, HASH).contains(": programmed function"),
        "a plain bitstream shows it too"
    );
}

#[test]
fn rejects_an_image_that_is_not_there_or_not_itself() {
    let node = node();
    let promised = |hash| Container::new(&node).promised(1, hash).with("dfl-port.0");
    node.create(&promised(OTHER)).failed(6, &["FPGA_AFU_1: ", OTHER, "does not exist"]);
    node.put(&node.image(OTHER), &aocx(HASH, &gbs(NLB0)));
    node.create(&promised(OTHER)).failed(6, &[&format!("{OTHER}.aocx: is misnamed"), HASH]);
    node.put(&node.image(OTHER), b"\x7fELF");
    node.create(&promised(OTHER)).failed(6, &[OTHER]);
    assert_eq!(node.function("dfl-port.0"), NLB3);
    assert_eq!(node.function("dfl-port.1"), HELLO);
}
