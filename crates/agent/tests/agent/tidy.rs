//! Resources that a mode left behind on the Node. The seed's `describe node` has them at 0 for ever.

use serde_json::json;

use crate::annotation::agent;
use crate::api::Api;
use crate::node::{AF_NLB0, AF_NLB3, LIMIT, Node, REGION, allocatable, eventually, one_card};

#[tokio::test]
async fn what_nobody_offers_any_more_is_removed_from_the_node() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let api = Api::start(None).await;
    api.allow_writing();
    api.write_kubeconfig(&node.file("kubeconfig"));
    let other = "fpga.intel.com/af-850adcc26ceb4b229722d43375b61c66";
    // Another plugin is about to offer that one.
    std::fs::write(node.socket(other), "").unwrap();
    api.set_capacity(json!({
        AF_NLB3: "0", AF_NLB0: "2", REGION: "0", other: "0", "cpu": "4", "example.com/x": "0",
    }));
    let mut agent = agent(&node, &[]);
    allocatable(&kubelet, AF_NLB3, 1).await;
    let left = json!({
        AF_NLB3: "0", AF_NLB0: "2", other: "0", "cpu": "4", "example.com/x": "0",
    });
    let expected = json!({ "capacity": left.clone(), "allocatable": left });
    eventually("it is tidied", || api.status() == expected).await;
    agent.wait_for_line(&format!("at 0: {REGION}"), LIMIT).await.unwrap();
}

#[tokio::test]
async fn without_the_right_to_it_nothing_is_touched() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let api = Api::start(None).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    api.set_capacity(json!({ REGION: "0" }));
    let mut agent = agent(&node, &[]);
    allocatable(&kubelet, AF_NLB3, 1).await;
    agent.wait_for_line("stay on node worker-1 at 0", LIMIT).await.unwrap();
    assert_eq!(api.status()["capacity"], json!({ REGION: "0" }));
}
