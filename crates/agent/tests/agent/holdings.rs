//! What a pod holds, through changes of the mode, of the function and of the agent.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fpga_demo::kubelet::{AllocationError, Kubelet, PodResourcesServer};
use fpga_demo::process::Process;
use fpga_emulator::card::afu;
use kubelet_api::v1beta1::ContainerAllocateResponse;

use crate::annotation::agent;
use crate::api::{Api, write_kubeconfig};
use crate::node::{
    AF_NLB0, AF_NLB3, LIMIT, Node, REGION, allocatable, cards, devices, eventually, one_card,
};

/// A kubelet that tells who holds what, with a pod that has nothing of ours.
fn start(node: &Node) -> (Kubelet, PodResourcesServer) {
    let kubelet = node.kubelet();
    kubelet.add_pod("other");
    let server = kubelet.serve_pod_resources(&node.file("pod-resources/kubelet.sock")).unwrap();
    (kubelet, server)
}

async fn give(kubelet: &Kubelet, pod: &str, resource: &str) -> ContainerAllocateResponse {
    let request = BTreeMap::from([(resource.to_owned(), 1)]);
    kubelet.allocate(pod, &request).await.unwrap().remove(0)
}

/// Gives a device to a pod that the agent has seen with it.
async fn give_and_show(kubelet: &Kubelet, server: &PodResourcesServer, pod: &str, resource: &str) {
    give(kubelet, pod, resource).await;
    let asked = server.asked();
    eventually("the pod is seen", || server.asked() > asked).await;
}

async fn refused(kubelet: &Kubelet, resource: &str) -> AllocationError {
    let request = BTreeMap::from([(resource.to_owned(), 1)]);
    kubelet.allocate("second", &request).await.unwrap_err()
}

/// Waits until the newest list of a resource is as expected.
async fn listed(kubelet: &Kubelet, resource: &str, expected: &[&str]) {
    let newest = || kubelet.lists(resource).pop().map(|list| devices(&list));
    eventually(&format!("{resource} {expected:?}"), || newest().is_some_and(|l| l == expected))
        .await;
}

/// No list of a resource ever had a healthy device in it since the first `from` ones.
fn never_offered(kubelet: &Kubelet, resource: &str, from: usize) {
    for list in kubelet.lists(resource).iter().skip(from) {
        assert!(devices(list).iter().all(|device| !device.ends_with(" Healthy")), "{list:?}");
    }
}

fn spec(node: &Node) -> PathBuf {
    node.cdi().join("intel.cdi.k8s.io-fpga-dfl-fme.0.json")
}

/// The port of a running pod was offered to a second one.
#[tokio::test]
async fn what_a_pod_holds_is_given_to_nobody_else_when_the_mode_changes() {
    let node = Node::new(&one_card());
    let (kubelet, server) = start(&node);
    let api = Api::start(Some("region")).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    let mut agent = agent(&node, &["-mode", "region"]);
    allocatable(&kubelet, REGION, 1).await;
    give_and_show(&kubelet, &server, "first", REGION).await;
    let text = std::fs::read(spec(&node)).unwrap();

    api.annotate(Some("af"));
    listed(&kubelet, AF_NLB3, &["dfl-port.0 Unhealthy"]).await;
    listed(&kubelet, REGION, &["dfl-fme.0 Unhealthy"]).await;
    agent.wait_for_line("reason=held", LIMIT).await.unwrap();
    assert_eq!((kubelet.node().capacity(REGION), kubelet.node().capacity(AF_NLB3)), (1, 1));
    refused(&kubelet, AF_NLB3).await;
    refused(&kubelet, REGION).await;
    never_offered(&kubelet, AF_NLB3, 0);
    // Its container is resolved by the spec when it is started again.
    assert_eq!(std::fs::read(spec(&node)).unwrap(), text);

    kubelet.release("first");
    listed(&kubelet, AF_NLB3, &["dfl-port.0 Healthy"]).await;
    listed(&kubelet, REGION, &[]).await;
    eventually("the spec is removed", || !spec(&node).exists()).await;
    give_and_show(&kubelet, &server, "second", AF_NLB3).await;

    // And the other way round.
    let lists = kubelet.lists(REGION).len();
    api.annotate(Some("region"));
    listed(&kubelet, REGION, &["dfl-fme.0 Unhealthy"]).await;
    listed(&kubelet, AF_NLB3, &["dfl-port.0 Unhealthy"]).await;
    never_offered(&kubelet, REGION, lists);
    api.annotate(Some("af"));
    listed(&kubelet, AF_NLB3, &["dfl-port.0 Healthy"]).await;
    listed(&kubelet, REGION, &[]).await;
}

/// Another function by hand.
#[tokio::test]
async fn a_held_port_that_gets_another_function_is_not_offered_as_that() {
    let mut node = Node::new(&one_card());
    let (kubelet, server) = start(&node);
    let _agent = node.agent(&[]);
    allocatable(&kubelet, AF_NLB3, 1).await;
    give_and_show(&kubelet, &server, "first", AF_NLB3).await;
    node.change(|host| host.slots[0].card.set_function(0, afu::NLB0));
    listed(&kubelet, AF_NLB0, &["dfl-port.0 Unhealthy"]).await;
    listed(&kubelet, AF_NLB3, &["dfl-port.0 Unhealthy"]).await;
    never_offered(&kubelet, AF_NLB0, 0);
    kubelet.release("first");
    listed(&kubelet, AF_NLB0, &["dfl-port.0 Healthy"]).await;
    listed(&kubelet, AF_NLB3, &[]).await;
}

/// Cards that are numbered anew, so that each has the other's names.
#[tokio::test]
async fn a_number_that_another_card_has_now_is_given_to_nobody_else() {
    let mut node = Node::new(&cards(&[(0x10, &["nlb0"]), (0x20, &["nlb3"])]));
    let (kubelet, server) = start(&node);
    let _agent = node.agent(&["--keep-vanished", "none"]);
    allocatable(&kubelet, AF_NLB0, 1).await;
    allocatable(&kubelet, AF_NLB3, 1).await;
    give_and_show(&kubelet, &server, "first", AF_NLB0).await;
    node.change(|host| {
        host.remove(0);
        host.remove(1);
        host.insert(1);
        host.insert(0);
    });
    listed(&kubelet, AF_NLB3, &["dfl-port.0 Unhealthy"]).await;
    listed(&kubelet, AF_NLB0, &["dfl-port.1 Healthy", "dfl-port.0 Unhealthy"]).await;
    kubelet.release("first");
    listed(&kubelet, AF_NLB3, &["dfl-port.0 Healthy"]).await;
    listed(&kubelet, AF_NLB0, &["dfl-port.1 Healthy"]).await;
}

/// An agent that was away while the mode changed knows it by the kubelet alone, before it offers anything.
#[tokio::test]
async fn a_restart_in_another_mode_offers_nothing_that_is_held() {
    let node = Node::new(&one_card());
    let (kubelet, server) = start(&node);
    let before = node.agent(&["--mode", "region"]);
    allocatable(&kubelet, REGION, 1).await;
    give_and_show(&kubelet, &server, "first", REGION).await;
    let text = std::fs::read(spec(&node)).unwrap();
    drop(before);

    let after = node.agent(&["--mode", "af"]);
    listed(&kubelet, AF_NLB3, &["dfl-port.0 Unhealthy"]).await;
    listed(&kubelet, REGION, &["dfl-fme.0 Unhealthy"]).await;
    never_offered(&kubelet, AF_NLB3, 0);
    let words = after.log().join("\n");
    assert!(!words.contains("CDI spec"), "{words}");
    assert_eq!(std::fs::read(spec(&node)).unwrap(), text);
    kubelet.release("first");
    listed(&kubelet, AF_NLB3, &["dfl-port.0 Healthy"]).await;
}

/// After its start a kubelet lists nothing until it knows its pods.
#[tokio::test]
async fn a_kubelet_that_starts_is_asked_before_anything_is_registered_with_it_and_believed_later() {
    let node = Node::new(&one_card());
    let (first, server) = start(&node);
    let api = Api::start(Some("region")).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    let _agent = agent(&node, &[]);
    allocatable(&first, REGION, 1).await;
    give(&first, "first", REGION).await;
    api.annotate(Some("af"));
    listed(&first, AF_NLB3, &["dfl-port.0 Unhealthy"]).await;

    drop(server);
    first.stop().await;
    let (second, server) = {
        let socket = node.file("pod-resources/kubelet.sock");
        let aside = Kubelet::start(&node.file("aside")).unwrap();
        let server = aside.serve_pod_resources(&socket).unwrap();
        drop(aside);
        (node.kubelet(), server)
    };
    listed(&second, AF_NLB3, &["dfl-port.0 Unhealthy"]).await;
    let asked = server.asked();
    assert!(asked > 0, "not asked before it was registered with");
    eventually("it is asked again", || server.asked() > asked + 2).await;
    never_offered(&second, AF_NLB3, 0);
    listed(&second, REGION, &["dfl-fme.0 Unhealthy"]).await;
}

/// With no kubelet's word nobody would ever say that a device is free again.
#[tokio::test]
async fn where_nobody_tells_what_is_held_the_agent_says_so() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let api = Api::start(Some("region")).await;
    write_kubeconfig(&node.file("kubeconfig"), &api.address());
    let mut agent: Process = agent(&node, &[]);
    allocatable(&kubelet, REGION, 1).await;
    give(&kubelet, "first", REGION).await;
    agent.wait_for_line("which pod holds which device is unknown", LIMIT).await.unwrap();
    api.annotate(Some("af"));
    listed(&kubelet, AF_NLB3, &["dfl-port.0 Healthy"]).await;
}

/// While everything is held as it is offered there is nothing to ask.
#[tokio::test]
async fn what_is_held_as_it_is_offered_costs_no_questions() {
    let node = Node::new(&one_card());
    let (kubelet, server) = start(&node);
    let _agent = node.agent(&[]);
    allocatable(&kubelet, AF_NLB3, 1).await;
    give_and_show(&kubelet, &server, "first", AF_NLB3).await;
    let asked = server.asked();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(server.asked(), asked);
}
