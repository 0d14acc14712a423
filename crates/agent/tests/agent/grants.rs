//! The file of grants, from AcceleratorFunction objects of a stand-in API server.

use std::path::PathBuf;

use fpga::grants::Grants;
use fpga_demo::process::Process;
use serde_json::{Value, json};

use crate::api::{Api, NODE, write_kubeconfig};
use crate::node::{LIMIT, Node, REGION, allocatable, eventually, one_card};

const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";

fn agent(node: &Node, arguments: &[&str]) -> Process {
    let kubeconfig = node.file("kubeconfig");
    let mut command = node.command(&["-kubeconfig", kubeconfig.to_str().unwrap()]);
    command.args(arguments).env("NODE_NAME", NODE);
    Process::start(command).unwrap()
}

fn file(node: &Node) -> PathBuf {
    node.file("run/grants.json")
}

fn region(afu: &str) -> Option<Value> {
    Some(json!({ "afuId": afu, "interfaceId": A10, "mode": "region" }))
}

fn allows(node: &Node, namespace: &str, afu: &str) -> bool {
    let grants = Grants::load(file(node));
    grants.is_ok_and(|g| g.allows(namespace, A10.parse().unwrap(), afu.parse().unwrap()))
}

#[tokio::test]
async fn objects_of_a_namespace_are_what_is_granted_to_it() {
    let node = Node::new(&one_card());
    let api = Api::start(None).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    api.install_crd();
    api.set_function("vision/nlb3", region(NLB3));
    api.set_function(
        "audio/nlb3",
        Some(json!({ "afuId": NLB3, "interfaceId": A10, "mode": "af" })),
    );
    api.set_function("audio/bad", Some(json!({ "afuId": "../x", "interfaceId": A10 })));
    let mut agent = agent(&node, &["--mode", "region"]);
    eventually("the first list is written", || allows(&node, "vision", NLB3)).await;
    assert!(!allows(&node, "audio", NLB3) && !allows(&node, "vision", NLB0));
    let line = agent.wait_for_line("grants nothing", LIMIT).await.unwrap();
    assert!(line.contains("audio/bad") && line.contains("spec.afuId"), "{line}");

    api.set_function("vision/nlb0", region(NLB0));
    eventually("a new object grants", || allows(&node, "vision", NLB0)).await;
    api.set_function("vision/nlb3", None);
    eventually("a removed object does not", || !allows(&node, "vision", NLB3)).await;
    assert!(allows(&node, "vision", NLB0));

    // While the API server is away, what was granted stays; also over a restart of the agent.
    drop(api);
    assert!(agent.terminate(LIMIT).await.unwrap().success());
    write_kubeconfig(&node.file("kubeconfig"), "127.0.0.1:1");
    let mut agent = self::agent(&node, &["--mode", "region"]);
    agent.wait_for_line("so what is granted stays as", LIMIT).await.unwrap();
    assert!(allows(&node, "vision", NLB0));
}

#[tokio::test]
async fn a_crd_that_is_missing_is_named_and_waited_for() {
    let node = Node::new(&one_card());
    let api = Api::start(None).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    let mut agent = agent(&node, &["--mode", "region"]);
    agent.wait_for_line("its CRD is not installed", LIMIT).await.unwrap();
    api.install_crd();
    api.set_function("vision/nlb3", region(NLB3));
    eventually("the objects are found", || allows(&node, "vision", NLB3)).await;
    let complaints =
        agent.log().iter().filter(|line| line.contains("its CRD is not installed")).count();
    assert_eq!(complaints, 1);
}

/// Grants are of region mode: a node in another one is not granted anything, nor asked.
#[tokio::test]
async fn the_mode_decides_whether_objects_are_followed() {
    let node = Node::new(&one_card());
    let api = Api::start(Some("af")).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    api.install_crd();
    api.set_function("vision/nlb3", region(NLB3));
    let _agent = agent(&node, &["--mode", "af"]);
    eventually("the node is watched", || api.requests("watch") > 0).await;
    assert!(!file(&node).exists());
    api.annotate(Some("region"));
    eventually("the objects are found", || allows(&node, "vision", NLB3)).await;
}

#[tokio::test]
async fn without_an_api_server_the_file_is_kept_by_hand() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    std::fs::create_dir_all(node.file("run")).unwrap();
    std::fs::write(file(&node), "by hand").unwrap();
    let mut agent = node.agent(&["--mode", "region"]);
    agent.wait_for_line("which is kept by hand", LIMIT).await.unwrap();
    allocatable(&kubelet, REGION, 1).await;
    assert_eq!(std::fs::read_to_string(file(&node)).unwrap(), "by hand");
}
