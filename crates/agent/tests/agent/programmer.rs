//! What the programmer does for an agent that may open no card itself.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::Stdio;

use fpga_emulator::ctl::Command;

use crate::emulated::{Emulated, TWO_CARDS};
use crate::node::{AF_NLB3, LIMIT, REGION, allocatable, eventually};

/// As with a poststop that failed, or that the runtime never ran, where the agent itself may open nothing.
#[tokio::test]
async fn what_a_missing_poststop_left_is_cleaned() {
    let node = Emulated::start(TWO_CARDS);
    let kubelet = node.kubelet();
    let server = kubelet.serve_pod_resources(&node.pod_resources()).unwrap();
    let mut programmer = node.programmer();
    programmer.wait_for_line("listening at", LIMIT).await.unwrap();
    let socket = node.programmer_socket();
    for (mode, resource) in [("region", REGION), ("af", AF_NLB3)] {
        let arguments = ["--mode", mode, "--unhealthy-on", "temperature", "--programmer-socket"];
        let mut agent = node.agent_with(&[&arguments[..], &[socket.to_str().unwrap()]].concat());
        allocatable(&kubelet, resource, 2).await;
        let one = BTreeMap::from([(resource.to_owned(), 1)]);
        let given = kubelet.allocate("leaves", &one).await.unwrap();
        let port = given[0].devices[0].host_path.rsplit('/').next().unwrap().to_owned();
        for card in ["near", "far"] {
            node.control(&Command::PortError { card: card.to_owned(), port: 0, bits: 1 });
        }
        let before = server.asked();
        eventually("the kubelet was asked who has what", || server.asked() > before).await;
        kubelet.release("leaves");
        programmer.wait_for_line(&format!("port {port}: reset"), LIMIT).await.unwrap();
        agent.wait_for_line("region cleaned", LIMIT).await.unwrap();
        assert_eq!(node.attribute(&port, "errors/errors").unwrap(), "0x0");
        agent.terminate(LIMIT).await.unwrap();
    }
}

#[tokio::test]
async fn a_port_is_reset_before_it_is_handed_out() {
    let node = Emulated::start(TWO_CARDS);
    let kubelet = node.kubelet();
    let socket = node.programmer_socket();
    // Latched errors would make the ports unhealthy before anybody asks for them.
    let mut agent = node.agent_with(&[
        "--mode",
        "af",
        "--unhealthy-on",
        "temperature",
        "--programmer-socket",
        socket.to_str().unwrap(),
    ]);
    allocatable(&kubelet, AF_NLB3, 2).await;
    let one = BTreeMap::from([(AF_NLB3.to_owned(), 1)]);

    // Without one the port is handed out all the same, and the log says so.
    kubelet.allocate("first", &one).await.unwrap();
    agent.wait_for_line("not reset before it is handed out", LIMIT).await.unwrap();
    kubelet.release("first");

    let mut programmer = node.programmer();
    programmer.wait_for_line("listening at", LIMIT).await.unwrap();
    for card in ["near", "far"] {
        node.control(&Command::PortError { card: card.to_owned(), port: 0, bits: 1 });
    }
    let given = kubelet.allocate("second", &one).await.unwrap();
    let port = given[0].devices[0].host_path.rsplit('/').next().unwrap().to_owned();
    let errors = |port: &str| node.attribute(port, "errors/errors").unwrap();
    assert_eq!(errors(&port), "0x0");
    let other = if port == "dfl-port.0" { "dfl-port.1" } else { "dfl-port.0" };
    assert_ne!(errors(other), "0x0", "it is nobody's");

    // A descriptor that an earlier tenant passed on keeps it from being given to anybody.
    let port = File::open(node.node(other)).unwrap();
    let mut tenant = std::process::Command::new("cat");
    let mut tenant =
        tenant.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(port).spawn().unwrap();
    let refused = kubelet.allocate("third", &one).await.unwrap_err().to_string();
    assert!(refused.contains("cannot be given to a container"), "{refused}");
    assert!(refused.contains("in use"), "{refused}");
    drop(tenant.stdin.take());
    tenant.wait().unwrap();
    kubelet.release("third");
    kubelet.allocate("fourth", &one).await.unwrap();
}
