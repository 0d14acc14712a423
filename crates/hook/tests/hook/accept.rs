//! Containers that get what they were promised.

use fpga_emulator::gbs::Bitstream;

use crate::container::{Container, Runtime};
use crate::node::{A10, HELLO, NLB0, NLB3, Node, TWO_CARDS, bitstream};

/// Upstream: TestProcess/Reprogramming.
#[test]
fn accepts_a_container_of_either_runtime() {
    for runtime in Runtime::ALL {
        let node = Node::start(TWO_CARDS);
        let container =
            Container::of(&node, runtime, "vision").promised(1, NLB0).with("dfl-port.0");
        let outcome = node.create(&container);
        let [line] = outcome.succeeded()[..] else { panic!("{outcome:?}") };
        assert!(line.contains(&format!(
            "FPGA_AFU_1 (1 of 1): region {A10}, card 0000:3b:00.0, port dfl-port.0: programmed function {NLB0}"
        )), "{line}");
        assert_eq!(node.function("dfl-port.0"), NLB0);
        assert_eq!(node.function("dfl-port.1"), HELLO, "others are left alone");
    }
}

#[test]
fn accepts_a_function_that_asks_for_a_clock() {
    let node = Node::start(TWO_CARDS);
    let asking = Bitstream { clocks: Some((300, 150)), ..bitstream(NLB0) };
    node.put(&node.image(NLB0), &asking.to_bytes().unwrap());
    let container = || Container::new(&node).promised(1, NLB0).with("dfl-port.0");
    let outcome = node.create(&container());
    assert!(outcome.succeeded()[0].ends_with(" s, user clock 300 and 150 MHz"), "{outcome:?}");
    // The next container finds both.
    let outcome = node.create(&container());
    let end = format!("port dfl-port.0: reset with function {NLB0}, user clock 300 and 150 MHz");
    assert!(outcome.succeeded()[0].ends_with(&end), "{outcome:?}");
}

/// Upstream: TestProcess/Already_programmed.
#[test]
fn accepts_a_function_that_is_loaded_already() {
    let node = Node::start(TWO_CARDS);
    let container = || Container::new(&node).promised(1, NLB3).with("dfl-port.0");
    // What the region shows was loaded by nobody knows whom, from nobody knows which file.
    let outcome = node.create(&container());
    assert!(outcome.succeeded()[0].contains(": programmed function"), "{outcome:?}");
    let outcome = node.create(&container());
    let end = format!("port dfl-port.0: reset with function {NLB3}");
    assert!(outcome.succeeded()[0].ends_with(&end), "{outcome:?}");
    assert_eq!(node.function("dfl-port.0"), NLB3);
}

#[test]
fn nothing_is_said_when_all_went_well() {
    let node = Node::start(TWO_CARDS);
    for image in [NLB0, NLB0, NLB3] {
        let container = Container::new(&node).promised(1, image).with("dfl-port.0");
        let outcome = node.hook(&container, &[]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    }
    assert_eq!(node.function("dfl-port.0"), NLB3);
}

/// Intel's hook gave the first port of the region to each of them, so that the second was never
/// programmed.
#[test]
fn accepts_two_devices_of_one_kind_of_region() {
    for ports in [["dfl-port.0", "dfl-port.1"], ["dfl-port.1", "dfl-port.2"]] {
        for images in [[NLB0, NLB3], [NLB3, NLB0], [NLB0, NLB0]] {
            let node = Node::start(TWO_CARDS);
            let container = Container::new(&node)
                .promised(1, images[0])
                .promised(2, images[1])
                .with(ports[0])
                .with(ports[1]);
            assert_eq!(node.create(&container).succeeded().len(), 2);
            let mut loaded = ports.map(|port| node.function(port));
            let mut wanted = images.map(str::to_owned);
            loaded.sort();
            wanted.sort();
            assert_eq!(loaded, wanted);
        }
    }
}

/// Intel's hook ended with success at the first function that was loaded already.
#[test]
fn accepts_more_functions_when_the_first_is_loaded_already() {
    let node = Node::start(TWO_CARDS);
    node.create(&Container::new(&node).promised(1, NLB3).with("dfl-port.0")).succeeded();
    let container = Container::new(&node)
        .promised(1, NLB3)
        .promised(2, NLB0)
        .promised(3, NLB3)
        .with("dfl-port.2")
        .with("dfl-port.1")
        .with("dfl-port.0");
    let outcome = node.create(&container);
    let lines = outcome.succeeded();
    assert!(lines[0].contains("port dfl-port.0: reset with function"), "{lines:?}");
    let programmed = lines.iter().filter(|line| line.contains(": programmed function")).count();
    assert_eq!((lines.len(), programmed), (3, 2));
    assert_eq!(node.function("dfl-port.0"), NLB3, "it stays where it is");
    let mut others = [node.function("dfl-port.1"), node.function("dfl-port.2")];
    others.sort();
    assert_eq!(others, [NLB0, NLB3]);
}

/// What a device is called in the container is the pod's choice.
#[test]
fn accepts_a_device_under_another_name() {
    let node = Node::start(TWO_CARDS);
    let container = Container::new(&node)
        .promised(1, NLB0)
        .with_at("dfl-port.0", "/dev/dfl-port.1")
        .with_at("dfl-port.0", "/dev/accelerator");
    assert_eq!(node.create(&container).succeeded().len(), 1);
    assert_eq!(
        (node.function("dfl-port.0"), node.function("dfl-port.1")),
        (NLB0.into(), HELLO.into())
    );
}

/// The form of the first versions.
#[test]
fn accepts_the_variables_without_number() {
    let node = Node::start(TWO_CARDS);
    let upper = format!("FPGA_AFU={}", NLB0.to_uppercase());
    let container =
        Container::new(&node).env(&format!("FPGA_REGION={A10}")).env(&upper).with("dfl-port.0");
    node.create(&container).succeeded();
    assert_eq!(node.function("dfl-port.0"), NLB0);
}

#[test]
fn what_the_last_tenant_left_is_cleaned() {
    for image in [NLB3, NLB0] {
        let node = Node::start(TWO_CARDS);
        node.control().port_error("near", 0, 1).unwrap();
        assert!(node.has_errors("dfl-port.0"));
        let container = Container::new(&node).promised(1, image).with("dfl-port.0");
        let outcome = node.create(&container);
        assert!(outcome.succeeded()[0].contains("errors of an earlier user were"), "{outcome:?}");
        node.is_clean("dfl-port.0");
    }
}

#[test]
fn accepts_the_out_of_tree_driver() {
    let node = Node::start(&TWO_CARDS.replace("kind =", "driver = \"opae\"\nkind ="));
    let container = Container::new(&node).promised(1, NLB0).with("intel-fpga-port.0");
    node.create(&container).succeeded();
    assert_eq!(node.function("intel-fpga-port.0"), NLB0);
}

/// Most containers: the hook may be configured for all of them.
#[test]
fn accepts_containers_that_have_nothing_to_do_with_fpgas() {
    let node = Node::start(TWO_CARDS);
    let mut gpu = Container::new(&node);
    gpu.config["linux"]["devices"] =
        serde_json::json!([{"path": "/dev/dfl-port.0", "type": "c", "major": 195, "minor": 0}]);
    let mut bare = Container::new(&node);
    bare.config = serde_json::json!({});
    for container in [Container::new(&node).env("FPGA=yes"), gpu, bare] {
        for stage in ["createRuntime", "poststop"] {
            let outcome = node.hook(&container, &["--verbose", "--stage", stage]);
            assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
        }
    }
}

#[test]
fn a_grant_to_all_is_enough_and_any_needs_none() {
    let node = Node::start(TWO_CARDS);
    let promised = |image| Container::new(&node).promised(1, image).with("dfl-port.0");
    node.grant("*", &[NLB0]);
    node.create(&promised(NLB0)).succeeded();

    node.grant("other", &[]);
    let mut stranger = promised(NLB3);
    stranger.state["annotations"] = serde_json::json!({});
    stranger.config["annotations"] = serde_json::json!(null);
    let outcome = node.create_any(&stranger);
    outcome.succeeded();
    assert_eq!(node.function("dfl-port.0"), NLB3);
}
