//! Several containers, one after the other and at once, and hooks that run late or more than once.

use std::fs;
use std::time::Duration;

use crate::container::Container;
use crate::node::{A10, HELLO, NLB0, NLB3, Node, TWO_CARDS, bitstream};

fn promised<'a>(node: &'a Node, image: &str) -> Container<'a> {
    Container::new(node).promised(1, image).with("dfl-port.0")
}

/// CRI-O runs poststop when a container is removed, hours later; an init container's comes after the main
/// container's create.
#[test]
fn cleaning_that_comes_after_the_next_container_changes_nothing() {
    let node = Node::start(TWO_CARDS);
    node.install(HELLO);
    let blank = format!("{A10}={HELLO}");
    let (first, second) = (promised(&node, NLB0), promised(&node, NLB3));
    node.create(&first).succeeded();
    node.create(&second).succeeded();
    node.control().port_error("near", 0, 1).unwrap();
    for arguments in [&[][..], &["--blank", &blank]] {
        assert_eq!(node.poststop(&first, arguments).succeeded(), [""; 0]);
        assert_eq!(node.function("dfl-port.0"), NLB3);
        assert!(node.has_errors("dfl-port.0"), "it was not reset");
    }
    // Its own end cleans it, once.
    assert_eq!(node.poststop(&second, &["--blank", &blank]).succeeded().len(), 1);
    assert_eq!(node.function("dfl-port.0"), HELLO);
    assert_eq!(node.poststop(&second, &[]).succeeded(), [""; 0]);
}

#[test]
fn a_container_that_was_not_let_start_has_nothing_to_clean() {
    let node = Node::start(TWO_CARDS);
    let holder = promised(&node, NLB0).running();
    node.create(&holder).succeeded();
    node.control().port_error("near", 0, 1).unwrap();
    let refused = promised(&node, NLB3);
    node.create(&refused).failed(5, &["held by container", "of pod vision/test-fpga-region"]);
    assert_eq!(node.poststop(&refused, &[]).succeeded(), [""; 0]);
    assert!(node.has_errors("dfl-port.0"));
    assert_eq!(node.function("dfl-port.0"), NLB0);
}

/// The runtime runs a hook for each region of a container, and each of these hooks prepares all regions.
#[test]
fn further_hooks_of_a_container_find_their_work_done() {
    let node = Node::start(TWO_CARDS);
    let container = Container::new(&node)
        .promised(1, NLB0)
        .promised(2, NLB3)
        .with("dfl-port.0")
        .with("dfl-port.1")
        .running();
    let first = node.create(&container);
    assert_eq!(first.succeeded().iter().filter(|line| line.contains("programmed")).count(), 2);
    // A programming would fail now.
    for card in ["near", "far"] {
        node.control().pr_error(card, 2).unwrap();
    }
    let second = node.create(&container);
    let lines = second.succeeded();
    assert!(lines.iter().all(|line| line.ends_with("prepared already")), "{lines:?}");
    assert_eq!(lines.len(), 2);
}

/// A new build under the same name, and whatever else shows the function that was asked for.
#[test]
fn a_container_gets_the_image_that_is_in_the_store_now() {
    let node = Node::start(TWO_CARDS);
    let create = || node.create(&promised(&node, NLB0)).succeeded().join("\n");
    assert!(create().contains(": programmed function"));
    let rebuilt = fpga_emulator::gbs::Bitstream { size: 65 * 1024, ..bitstream(NLB0) };
    node.put(&node.image(NLB0), &rebuilt.to_bytes().unwrap());
    assert!(create().contains(": programmed function"));
    assert!(create().contains(": reset with function"));
    // The very bytes of before.
    node.install(NLB0);
    assert!(create().contains(": programmed function"));
}

/// The agent writes grants when the API server tells of them, which may be a moment after the pod.
#[test]
fn a_grant_that_is_a_moment_behind_is_waited_for() {
    let node = Node::start(TWO_CARDS);
    node.grant("other", &[]);
    let container = promised(&node, NLB0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            node.grant("vision", &[NLB0]);
        });
        node.create(&container).succeeded();
    });
    // Not forever.
    fs::remove_file(node.path("grants.json")).unwrap();
    node.create(&promised(&node, NLB0)).failed(11, &["No such file"]);
}
