//! Variables that begin as promises do, and are nobody's: no stage may mind them.

use crate::container::Container;
use crate::node::{NLB0, NLB3, Node, TWO_CARDS};

/// What Kubernetes sets in every container of a namespace with Services `fpga-afu-monitor` and `fpga-region-1`, what
/// Docker sets for a link, and what is spelled almost as the webhook would.
const OTHERS: [&str; 14] = [
    "FPGA_AFU_MONITOR_SERVICE_HOST=10.96.0.7",
    "FPGA_AFU_MONITOR_SERVICE_PORT=80",
    "FPGA_AFU_MONITOR_PORT=tcp://10.96.0.7:80",
    "FPGA_AFU_MONITOR_PORT_80_TCP=tcp://10.96.0.7:80",
    "FPGA_AFU_MONITOR_PORT_80_TCP_ADDR=10.96.0.7",
    "FPGA_REGION_1_SERVICE_HOST=10.96.0.8",
    "FPGA_REGION_1_PORT=tcp://10.96.0.8:80",
    "FPGA_AFU_1_NAME=/test/fpga-afu-1",
    "FPGA_AFU_PORT=tcp://10.96.0.9:80",
    "FPGA_AFU_=x",
    "FPGA_AFU_0=x",
    "FPGA_AFU_01",
    "FPGA_REGION_18446744073709551617=x",
    "FPGA_AFU_\u{ff11}=x",
];

fn with_others(container: Container<'_>) -> Container<'_> {
    OTHERS.iter().fold(container, |container, entry| container.env(entry))
}

#[test]
fn a_container_without_regions_is_let_through() {
    let node = Node::start(TWO_CARDS);
    for stage in ["createRuntime", "poststop"] {
        let outcome =
            node.hook(&with_others(Container::new(&node)), &["--verbose", "--stage", stage]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{stage}");
    }
}

#[test]
fn a_container_with_regions_gets_its_functions_and_is_cleaned() {
    let node = Node::start(TWO_CARDS);
    let container = Container::new(&node).promised(1, NLB0).promised(10, NLB3);
    let container = with_others(container.with("dfl-port.0").with("dfl-port.1"));
    node.create(&container).succeeded();
    let mut loaded = ["dfl-port.0", "dfl-port.1"].map(|port| node.function(port));
    loaded.sort();
    assert_eq!(loaded, [NLB0, NLB3]);

    for card in ["near", "far"] {
        node.control().port_error(card, 0, 1).unwrap();
    }
    assert_eq!(node.poststop(&container, &[]).succeeded().len(), 2);
    node.is_clean("dfl-port.0");
    node.is_clean("dfl-port.1");
}

/// They give no right to a region either: a port without a promise still refuses the container.
#[test]
fn a_port_that_only_they_seem_to_ask_for_is_refused() {
    let node = Node::start(TWO_CARDS);
    let container = with_others(Container::new(&node).with("dfl-port.0"));
    node.create(&container).failed(10, &["no function for it was asked for"]);
    assert_eq!(node.function("dfl-port.0"), NLB3);
}
