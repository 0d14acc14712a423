//! After a container ended.

use std::fs::{self, File};
use std::path::Path;

use serde_json::json;

use crate::container::Container;
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
    // Where it is loaded already there is nothing to program.
    node.grant("vision", &[HELLO]);
    let container = Container::new(&node).promised(1, HELLO).with("dfl-port.0");
    node.create(&container).succeeded();
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

    let container = ended(&node);
    let lock = File::open(node.path("root/dev/dfl-fme.0")).unwrap();
    lock.lock().unwrap();
    let outcome = node.hook(&container, &["--stage", "poststop", "--timeout", "400ms"]);
    outcome.failed(5, &["port dfl-port.0", "locked by"]);
    node.is_clean("dfl-port.1");
    drop(lock);

    let container = ended(&node);
    node.control().remove("near").unwrap();
    let outcome = node.hook(&container, &["--stage", "poststop"]);
    outcome.failed(3, &["region 0000-3b-00-0-slot0: its card is gone"]);
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
    assert_eq!(node.poststop(&greedy, &[]).succeeded(), [""; 0]);
    assert!(node.has_errors("dfl-port.2"));
}

/// Runtimes may remove it before.
#[test]
fn a_bundle_that_is_gone_or_broken_does_not_matter() {
    let node = Node::start(TWO_CARDS);
    for break_it in
        [(|path| fs::remove_file(path).unwrap()) as fn(&Path), |path| fs::write(path, "{").unwrap()]
    {
        let container = ended(&node);
        break_it(&node.path("bundle/config.json"));
        let outcome = node.hook_with_state(&container.state(), &["--stage", "poststop"]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
        node.is_clean("dfl-port.0");
        node.is_clean("dfl-port.1");
    }
    // A container that has no region, and one that has not even an id.
    for state in [Container::new(&node).state(), b"{}".to_vec()] {
        let outcome = node.hook_with_state(&state, &["--stage", "poststop"]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    }
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
