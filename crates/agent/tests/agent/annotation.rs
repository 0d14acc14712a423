//! The node's annotation, through an API server that behaves as real ones do.

use std::collections::BTreeMap;
use std::time::Duration;

use fpga_demo::kubelet::{Kubelet, Manners, What};
use fpga_demo::process::Process;

use crate::api::{Api, NODE, write_kubeconfig};
use crate::node::{
    AF_NLB3, LIMIT, Node, REGION, REGIONDEVEL, allocatable, devices, eventually, one_card,
    registrations,
};

/// An agent of the node `worker-1` that knows the API server.
pub(crate) fn agent(node: &Node, arguments: &[&str]) -> Process {
    let kubeconfig = node.file("kubeconfig");
    let mut command = node.command(&["-kubeconfig", kubeconfig.to_str().unwrap()]);
    command.args(arguments).env("NODE_NAME", NODE);
    Process::start(command).unwrap()
}

/// Fault 11: the mode is fixed at start. Here each change of the annotation is taken over, and what was
/// offered before ends with an empty list.
#[tokio::test]
async fn the_annotation_is_followed() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let api = Api::start(None).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    let mut agent = agent(&node, &["-mode", "af"]);
    allocatable(&kubelet, AF_NLB3, 1).await;
    eventually("the node is watched", || api.requests("watch") > 0).await;

    api.annotate(Some("region"));
    allocatable(&kubelet, REGION, 1).await;
    agent
        .wait_for_line("mode region overrides af by the annotation of node worker-1", LIMIT)
        .await
        .unwrap();
    agent.wait_for_line("FPGA device plugin switched to region mode", LIMIT).await.unwrap();
    eventually("the function is withdrawn", || kubelet.node().capacity(AF_NLB3) == 0).await;
    let lists: Vec<_> = kubelet.lists(AF_NLB3).iter().map(|list| devices(list)).collect();
    assert_eq!(lists, [vec!["dfl-port.0 Healthy"], vec![]]);
    eventually("its socket is removed", || node.plugin_sockets().len() == 1).await;

    // What is asked for as a region has no management node, whatever the mode becomes.
    api.annotate(Some("regiondevel"));
    agent.wait_for_line("FPGA device plugin switched to regiondevel mode", LIMIT).await.unwrap();
    allocatable(&kubelet, REGIONDEVEL, 1).await;
    eventually("the region is withdrawn", || kubelet.node().capacity(REGION) == 0).await;
    let request = |name: &str| BTreeMap::from([(name.to_owned(), 1)]);
    kubelet.allocate("tenant", &request(REGION)).await.unwrap_err();
    let given = kubelet.allocate("developer", &request(REGIONDEVEL)).await.unwrap();
    assert_eq!(given[0].devices.len(), 2);
    kubelet.release("developer");

    api.annotate(None);
    allocatable(&kubelet, AF_NLB3, 1).await;
    eventually("the card is withdrawn", || kubelet.node().capacity(REGIONDEVEL) == 0).await;
}

/// What registers as soon as the last endpoint of its name has ended is taken for that one and
/// disconnected, while it believes that it is registered.
#[tokio::test]
async fn a_name_that_is_wanted_again_at_once_is_registered_once_and_kept() {
    let node = Node::new(&one_card());
    let manners = Manners { notices: Duration::from_millis(50), ..Manners::default() };
    let kubelet = Kubelet::start_with(&node.sockets(), manners).unwrap();
    let api = Api::start(None).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    let mut agent = agent(&node, &["-mode", "af"]);
    allocatable(&kubelet, AF_NLB3, 1).await;
    for round in 1..=3 {
        api.annotate(Some("region"));
        agent.wait_for_line("overrides af", LIMIT).await.unwrap();
        eventually("the function is withdrawn", || kubelet.node().capacity(AF_NLB3) == 0).await;
        api.annotate(None);
        allocatable(&kubelet, AF_NLB3, 1).await;
        // Whatever the kubelet is about to do has happened by then.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(registrations(&kubelet, AF_NLB3), 1 + round, "{:?}", kubelet.events());
        assert_eq!(disconnections(&kubelet, AF_NLB3), round);
        let request = [(AF_NLB3.to_owned(), 1)].into();
        kubelet.allocate("pod", &request).await.unwrap();
        kubelet.release("pod");
        eventually("the region is withdrawn", || kubelet.node().capacity(REGION) == 0).await;
    }
}

/// The same where two modes have one name: its endpoint is served on.
#[tokio::test]
async fn a_name_that_two_modes_have_keeps_its_endpoint() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let api = Api::start(Some("region")).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    let _agent = agent(&node, &["--mode", "region", "--regiondevel-name", "shared"]);
    allocatable(&kubelet, REGION, 1).await;
    for (mode, nodes) in [("regiondevel", 2), ("region", 1), ("regiondevel", 2)] {
        api.annotate(Some(mode));
        given_nodes(&kubelet, REGION, nodes).await;
    }
    assert_eq!((registrations(&kubelet, REGION), disconnections(&kubelet, REGION)), (1, 0));
}

/// Waits until a pod is given so many nodes for a device of a resource.
async fn given_nodes(kubelet: &Kubelet, resource: &str, nodes: usize) {
    let request = std::collections::BTreeMap::from([(resource.to_owned(), 1)]);
    let started = std::time::Instant::now();
    loop {
        let given = kubelet.allocate("pod", &request).await;
        kubelet.release("pod");
        if given.is_ok_and(|given| given[0].devices.len() == nodes) {
            return;
        }
        assert!(started.elapsed() < LIMIT, "never {nodes} nodes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How often whoever had the name of a resource was disconnected.
fn disconnections(kubelet: &Kubelet, resource: &str) -> usize {
    let events = kubelet.events();
    events.iter().filter(|event| event.resource == resource && event.what == What::Gone).count()
}

#[tokio::test]
async fn an_annotation_that_is_there_from_the_start_wins() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let api = Api::start(Some("region")).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    let _agent = agent(&node, &["-mode", "af"]);
    allocatable(&kubelet, REGION, 1).await;
}

#[tokio::test]
async fn a_wrong_annotation_is_named_once_and_leaves_the_configured_mode() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let api = Api::start(Some("orchestrated")).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    let mut agent = agent(&node, &[]);
    allocatable(&kubelet, AF_NLB3, 1).await;
    let wrong =
        "unknown mode \"orchestrated\": expected one of af, region, regiondevel; using mode af";
    agent.wait_for_line(wrong, LIMIT).await.unwrap();
    eventually("the node is watched", || api.requests("watch") > 0).await;
    // The node is written several times a minute for other reasons.
    api.annotate(Some("orchestrated"));
    api.annotate(Some("region"));
    allocatable(&kubelet, REGION, 1).await;
    assert_eq!(agent.log().iter().filter(|line| line.contains(wrong)).count(), 1);
    api.annotate(Some("orchestrated"));
    allocatable(&kubelet, AF_NLB3, 1).await;
}

#[tokio::test]
async fn watches_that_end_are_taken_up_where_they_were() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let api = Api::start(None).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    let _agent = agent(&node, &[]);
    eventually("the node is watched", || api.requests("watch") == 1).await;
    api.end_watches();
    // Between two watches: it comes from the history.
    api.annotate(Some("region"));
    allocatable(&kubelet, REGION, 1).await;
    assert_eq!(api.requests("list"), 1);
}

#[tokio::test]
async fn a_compacted_history_is_listed_again() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let api = Api::start(None).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    let agent = agent(&node, &[]);
    eventually("the node is watched", || api.requests("watch") == 1).await;
    api.compact();
    eventually("the node is listed again", || api.requests("list") > 1).await;
    api.annotate(Some("region"));
    allocatable(&kubelet, REGION, 1).await;
    assert!(
        !agent.log().iter().any(|line| line.contains("cannot read the annotation")),
        "{:?}",
        agent.log()
    );
}

/// The registration does not wait for the API server, and a mode that is in force stays.
#[tokio::test]
async fn an_api_server_may_come_later_go_and_come_back() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    // An address that nobody listens on, until the API server does.
    let address = Api::start(None).await.address();
    write_kubeconfig(&node.file("kubeconfig"), &address);
    let mut agent = agent(&node, &[]);
    allocatable(&kubelet, AF_NLB3, 1).await;
    agent.wait_for_line("staying in mode af and retrying", LIMIT).await.unwrap();

    let api = Api::start_at(&address, Some("region")).await;
    allocatable(&kubelet, REGION, 1).await;
    agent.wait_for_line("the API server answers again", LIMIT).await.unwrap();

    drop(api);
    agent.wait_for_line("staying in mode region and retrying", LIMIT).await.unwrap();
    assert_eq!(kubelet.node().allocatable(REGION), 1);
    let _api = Api::start_at(&address, None).await;
    allocatable(&kubelet, AF_NLB3, 1).await;
    // Each absence is told once, however often it was tried.
    let complaints = agent
        .log()
        .iter()
        .filter(|line| line.contains("cannot read the annotation") || line.contains("ERROR"))
        .count();
    assert_eq!(complaints, 2, "{:?}", agent.log());
}

/// In the configured mode it would withdraw what running pods have and offer it under another name.
#[tokio::test]
async fn a_restart_without_the_api_server_keeps_the_mode() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let api = Api::start(Some("region")).await;
    let address = api.address();
    api.write_kubeconfig(&node.file("kubeconfig"));
    let before = agent(&node, &["-mode", "af"]);
    allocatable(&kubelet, REGION, 1).await;
    drop((before, api));
    // Until it knew the annotation the first one offered the function.
    let lists = kubelet.lists(AF_NLB3).len();

    let mut after = agent(&node, &["-mode", "af"]);
    after.wait_for_line("staying in mode region and retrying", LIMIT).await.unwrap();
    allocatable(&kubelet, REGION, 1).await;
    assert_eq!(kubelet.lists(AF_NLB3).len(), lists, "the function was offered meanwhile");

    // An annotation that is gone is not kept.
    let api = Api::start_at(&address, None).await;
    allocatable(&kubelet, AF_NLB3, 1).await;
    eventually("nothing is kept", || !node.file("run/mode").exists()).await;
    drop((after, api));
    let mut last = agent(&node, &["-mode", "af"]);
    last.wait_for_line("staying in mode af and retrying", LIMIT).await.unwrap();
}

#[tokio::test]
async fn without_an_api_server_the_agent_says_so_and_goes_on() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let mut alone = node.agent(&[]);
    allocatable(&kubelet, AF_NLB3, 1).await;
    alone
        .wait_for_line("neither --kubeconfig nor a service account is given", LIMIT)
        .await
        .unwrap();
    drop(alone);

    let mut nameless = node.agent(&["--kubeconfig", "/nonexistent"]);
    nameless.wait_for_line("neither --node-name nor NODE_NAME is given", LIMIT).await.unwrap();
    drop(nameless);

    // Of a flag that is given twice the last counts, as in Go.
    let mut without_file = agent(&node, &["-kubeconfig=/nonexistent"]);
    without_file.wait_for_line("retrying: kubeconfig /nonexistent: ", LIMIT).await.unwrap();
    allocatable(&kubelet, AF_NLB3, 1).await;
}
