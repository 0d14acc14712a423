//! What a container has a device for, and privileged containers, which list every device of the node.

use std::fs;

use serde_json::json;

use crate::container::{Container, Runtime};
use crate::node::{HELLO, NLB0, NLB3, Node, TWO_CARDS};

const NEAR: &str = "0000-3b-00-0-slot0";
const FAR: [&str; 2] = ["0000-86-00-0-slot0", "0000-86-00-0-slot1"];

/// With every port of the node.
fn privileged<'a>(node: &'a Node, runtime: Runtime) -> Container<'a> {
    let container = ["dfl-port.0", "dfl-port.1", "dfl-port.2"]
        .into_iter()
        .fold(Container::of(node, runtime, "vision"), |container, port| container.with(port));
    container.privileged()
}

fn functions(node: &Node) -> [String; 3] {
    ["dfl-port.0", "dfl-port.1", "dfl-port.2"].map(|port| node.function(port))
}

#[test]
fn a_privileged_container_gets_what_was_allocated_and_touches_no_other() {
    for runtime in Runtime::ALL {
        let node = Node::start(TWO_CARDS);
        node.control().port_error("near", 0, 1).unwrap();
        let container =
            privileged(&node, runtime).promised(1, NLB0).allocated(FAR[1], "region").running();
        assert_eq!(node.create(&container).succeeded().len(), 1);
        assert_eq!(functions(&node), [NLB3, HELLO, NLB0]);
        assert!(node.has_errors("dfl-port.0"));
        assert_eq!(node.poststop(&container, &[]).succeeded().len(), 1);
    }
}

#[test]
fn a_privileged_container_without_allocation_is_let_through() {
    let node = Node::start(TWO_CARDS);
    node.control().port_error("near", 0, 1).unwrap();
    let container = privileged(&node, Runtime::Crio);
    assert_eq!(node.create(&container).succeeded(), [""; 0]);
    assert!(node.has_errors("dfl-port.0"));
    let asking = privileged(&node, Runtime::Crio).promised(1, NLB0);
    node.create(&asking).failed(10, &["FPGA_AFU_1 asks for function", "no FPGA port"]);
    assert_eq!(functions(&node), [NLB3, HELLO, HELLO]);
}

/// Where hooks.d runs the hook there is no specification that says what was allocated.
#[test]
fn a_privileged_container_may_be_told_by_annotation() {
    let node = Node::start(TWO_CARDS);
    let mut container = privileged(&node, Runtime::Crio).promised(1, NLB0);
    container.state["annotations"]["com.intel.fpga.devices"] = json!(FAR[0]);
    assert_eq!(node.create(&container).succeeded().len(), 1);
    assert_eq!(functions(&node), [NLB3, NLB0, HELLO]);
}

/// An annotation may be a tenant's: every port of a container that is not privileged is seen to.
#[test]
fn an_annotation_hides_no_port() {
    let node = Node::start(TWO_CARDS);
    let mut container =
        Container::new(&node).promised(1, NLB0).with("dfl-port.0").with("dfl-port.1");
    for (name, value) in [
        ("com.intel.fpga.devices", NEAR),
        ("com.intel.fpga.mode", "off"),
        ("com.intel.fpga.mode", "fpga.intel.com/af"),
    ] {
        container.state["annotations"][name] = json!(value);
        container.config["annotations"][name] = json!(value);
    }
    node.create(&container).failed(10, &["port dfl-port.1", "no function for it was asked for"]);
    assert_eq!(functions(&node), [NLB3, HELLO, HELLO]);
}

#[test]
fn a_loaded_function_is_claimed_and_reset() {
    let node = Node::start(TWO_CARDS);
    node.control().port_error("near", 0, 1).unwrap();
    let container = || Container::new(&node).with("dfl-port.0").allocated(NEAR, "function");
    let first = container().running();
    let outcome = node.create(&first);
    let [line] = outcome.succeeded()[..] else { panic!("{outcome:?}") };
    assert!(
        line.contains("port dfl-port.0: reset; errors of an earlier user were cleared"),
        "{line}"
    );
    node.is_clean("dfl-port.0");
    assert_eq!(node.function("dfl-port.0"), NLB3);
    // The runtime runs the hook once for each device.
    assert!(node.create(&first).succeeded()[0].ends_with("prepared already"));
    node.create(&container()).failed(5, &["held by container"]);
    assert_eq!(node.poststop(&first, &[]).succeeded().len(), 1);
    node.create(&container()).succeeded();
}

/// A descriptor that an earlier tenant passed on keeps the port from being given to the next one.
#[test]
fn a_port_that_somebody_has_open_is_not_given() {
    let node = Node::start(TWO_CARDS);
    let _passed_on = fs::File::open(node.path("root/dev/dfl-port.0")).unwrap();
    let container = Container::new(&node).with("dfl-port.0").allocated(NEAR, "function");
    node.create(&container).failed(5, &["port dfl-port.0", "in use"]);
}

#[test]
fn what_a_developer_left_is_not_taken_for_the_image() {
    let node = Node::start(TWO_CARDS);
    node.create(&Container::new(&node).promised(1, NLB0).with("dfl-port.0")).succeeded();
    let developer =
        Container::new(&node).with("dfl-port.0").allocated("0000-3b-00-0", "development").running();
    assert_eq!(node.create(&developer).succeeded().len(), 1);
    node.create(&Container::new(&node).promised(1, NLB0).with("dfl-port.0"))
        .failed(5, &["held by"]);
    assert_eq!(node.poststop(&developer, &[]).succeeded().len(), 1);
    // It shows the function still, but nobody knows what is in it.
    let next = Container::new(&node).promised(1, NLB0).with("dfl-port.0");
    assert!(node.create(&next).succeeded()[0].contains(": programmed function"));
}

/// Functions and regions in one container, as while a node changes its mode.
#[test]
fn each_device_is_seen_to_as_it_was_allocated() {
    let node = Node::start(TWO_CARDS);
    let container = Container::new(&node)
        .promised(1, NLB0)
        .with("dfl-port.0")
        .with("dfl-port.1")
        .allocated(NEAR, "function")
        .allocated(FAR[0], "region");
    assert_eq!(node.create(&container).succeeded().len(), 2);
    assert_eq!(functions(&node), [NLB3, NLB0, HELLO]);
    // A promise is not kept by a port that is for something else.
    let container =
        Container::new(&node).promised(1, NLB0).with("dfl-port.0").allocated(NEAR, "function");
    node.create(&container).failed(10, &["FPGA_AFU_1 asks for", "no FPGA port"]);
}

/// The driver was bound again, and the node's number is that of another card now.
#[test]
fn a_device_that_is_not_what_was_allocated_is_refused() {
    let node = Node::start(TWO_CARDS);
    for usage in ["region", "function", "development"] {
        let container = Container::new(&node).with("dfl-port.1").allocated(NEAR, usage);
        node.create(&container)
            .failed(3, &[&format!("device {NEAR} was allocated"), "delete the pod"]);
    }
}

#[test]
fn the_agents_file_says_what_a_device_is_for_where_no_specification_does() {
    let node = Node::start(TWO_CARDS);
    let uses = node.path("uses.json");
    let create = |container: &Container<'_>| {
        node.hook(container, &["--verbose", "--uses", uses.to_str().unwrap()])
    };
    let bare = || Container::new(&node).with("dfl-port.0");
    create(&bare()).failed(10, &["no function for it was asked for"]);
    node.put(&uses, json!({ NEAR: "function" }).to_string().as_bytes());
    create(&bare()).succeeded();
    node.put(&uses, json!({ "0000-3b-00-0": "development" }).to_string().as_bytes());
    create(&bare()).succeeded();
    node.put(&uses, b"{");
    create(&bare()).failed(1, &["uses.json: "]);
    // What a specification says needs no file.
    create(&bare().allocated(NEAR, "function")).succeeded();
}
