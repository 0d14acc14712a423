//! After a container ended.

use std::fs::{self, File};

use serde_json::json;

use crate::container::{Container, Runtime};
use crate::node::{A10, HELLO, NLB0, NLB3, Node, TWO_CARDS};

/// A container with two ports, whose functions are in them.
fn ended(node: &Node) -> Container<'_> {
    let container = Container::new(node)
        .promised(1, NLB3)
        .promised(2, NLB3)
        .with("dfl-port.0")
        .with("dfl-port.1");
    node.create(&container).succeeded();
    for card in ["near", "far"] {
        node.control().port_error(card, 0, 1).unwrap();
    }
    container
}

#[test]
fn every_port_is_reset() {
    let node = Node::start(TWO_CARDS);
    let outcome = node.poststop(&ended(&node), &[]);
    let lines = outcome.succeeded();
    assert_eq!(lines.len(), 2);
    for (line, port) in lines.iter().zip(["dfl-port.0", "dfl-port.1"]) {
        assert!(
            line.contains(&format!("port {port}: reset; errors of an earlier user were")),
            "{line}"
        );
        node.is_clean(port);
        assert_eq!(node.function(port), NLB3, "without a blank the function stays");
    }
}

#[test]
fn a_configured_blank_replaces_the_function() {
    let node = Node::start(TWO_CARDS);
    let container = ended(&node);
    node.install(HELLO);
    let blank = format!("{A10}={HELLO}");
    let other = format!("11111111111111111111111111111111={NLB0}");
    node.poststop(&container, &["--blank", &other, "--blank", &blank]).succeeded();
    assert_eq!(
        (node.function("dfl-port.0"), node.function("dfl-port.1")),
        (HELLO.into(), HELLO.into())
    );
    // Another time there is nothing to program.
    let outcome = node.poststop(&container, &["--blank", &blank]);
    assert!(outcome.succeeded()[0].contains("reset with function"), "{outcome:?}");
}

#[test]
fn without_the_blank_image_there_is_at_least_a_reset() {
    let node = Node::start(TWO_CARDS);
    let container = ended(&node);
    let outcome = node.poststop(&container, &["--blank", &format!("{A10}={HELLO}")]);
    assert_eq!((outcome.code, outcome.stderr.lines().count()), (6, 2), "{outcome:?}");
    assert!(outcome.stderr.lines().all(|line| line.ends_with("does not exist: only reset")));
    node.is_clean("dfl-port.0");
    node.is_clean("dfl-port.1");
}

#[test]
fn a_port_that_fails_does_not_keep_the_others() {
    let node = Node::start(TWO_CARDS);
    let container = ended(&node);
    let user = File::open(node.path("root/dev/dfl-port.0")).unwrap();
    let outcome = node.hook(&container, &["--stage", "poststop"]);
    outcome.failed(5, &["port dfl-port.0", "in use"]);
    node.is_clean("dfl-port.1");
    drop(user);

    let lock = File::open(node.path("root/dev/dfl-fme.0")).unwrap();
    lock.lock().unwrap();
    node.control().port_error("far", 0, 1).unwrap();
    let outcome = node.hook(&container, &["--stage", "poststop", "--timeout", "400ms"]);
    outcome.failed(5, &["port dfl-port.0", "locked by"]);
    node.is_clean("dfl-port.1");
    drop(lock);

    node.control().remove("near").unwrap();
    node.control().port_error("far", 0, 1).unwrap();
    let outcome = node.hook(&container, &["--stage", "poststop"]);
    outcome.failed(10, &["FPGA_AFU_2 asks for"]);
    node.is_clean("dfl-port.1");
}

/// A privileged container lists every device of the node. One that was not let start because of that
/// must not clean the ports of others.
#[test]
fn ports_of_others_are_left_alone() {
    let node = Node::start(TWO_CARDS);
    node.control().port_error("far", 1, 1).unwrap();
    let greedy = Container::new(&node)
        .promised(1, NLB3)
        .with("dfl-port.0")
        .with("dfl-port.1")
        .with("dfl-port.2");
    node.create(&greedy).failed(10, &["dfl-port.1"]);
    node.poststop(&greedy, &[]).failed(10, &["nothing of it is cleaned"]);
    assert!(node.has_errors("dfl-port.2"));
}

#[test]
fn a_bundle_that_is_gone_is_no_failure_unless_there_were_regions() {
    let node = Node::start(TWO_CARDS);
    for state in [Container::new(&node).state(), b"{}".to_vec()] {
        let outcome = node.hook_with_state(&state, &["--stage", "poststop"]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    }
    // CRI-O tells which containers have regions.
    let crio = Container::of(&node, Runtime::Crio, "vision");
    node.hook_with_state(&crio.state(), &["--stage", "poststop"])
        .failed(10, &["config.json: No such file", "not cleaned"]);
}

#[test]
fn a_bundle_that_is_broken_is_a_failure() {
    let node = Node::start(TWO_CARDS);
    let container = Container::new(&node);
    container.write();
    fs::write(node.path("bundle/config.json"), "{").unwrap();
    node.hook_with_state(&container.state(), &["--stage", "poststop"]).failed(10, &["EOF"]);
}

/// The pod may be gone, and its namespace with all that was granted to it.
#[test]
fn cleaning_needs_no_grant() {
    let node = Node::start(TWO_CARDS);
    let mut container = ended(&node);
    node.grant("other", &[]);
    container.state["annotations"] = json!({});
    assert_eq!(node.poststop(&container, &[]).succeeded().len(), 2);
}
