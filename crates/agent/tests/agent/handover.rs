//! Two agents on one node, as during a rolling update: one serves, the other stands by.

use std::time::Duration;

use fpga_demo::kubelet::{Event, Kubelet, Manners, What};
use fpga_demo::process::Process;

use crate::node::{AF_NLB0, AF_NLB3, LIMIT, Node, allocatable, cards, eventually, registrations};

fn two_functions() -> Node {
    Node::new(&cards(&[(0x10, &["nlb0", "nlb3"])]))
}

/// A kubelet that is slow to notice the end of an agent, so that who registers at once is taken for that one.
fn slow_kubelet(node: &Node) -> Kubelet {
    let manners = Manners { notices: Duration::from_millis(60), ..Manners::default() };
    Kubelet::start_with(&node.sockets(), manners).unwrap()
}

fn agent(node: &Node, more: &[&str]) -> Process {
    let lock = node.file("run/agent.lock");
    node.agent(&[&["--lock-file", lock.to_str().unwrap()], more].concat())
}

async fn both(kubelet: &Kubelet) {
    allocatable(kubelet, AF_NLB0, 1).await;
    allocatable(kubelet, AF_NLB3, 1).await;
}

async fn can_be_given(kubelet: &Kubelet) {
    let request = [(AF_NLB0.to_owned(), 1), (AF_NLB3.to_owned(), 1)].into();
    kubelet.allocate("pod", &request).await.unwrap();
    kubelet.release("pod");
}

/// What was recorded after the first `seen` events, as `resource what`.
fn after(events: &[Event], seen: usize, resource: &str) -> Vec<&'static str> {
    let ours = events[seen..].iter().filter(|event| event.resource == resource);
    ours.map(|event| match event.what {
        What::Registered { .. } => "registered",
        What::List(_) => "list",
        What::Gone => "gone",
    })
    .collect()
}

/// With the kubelet asked whether it has noticed the end, and without.
#[tokio::test]
async fn the_second_takes_over_when_the_first_is_killed() {
    for asks in [true, false] {
        let node = two_functions();
        let kubelet = slow_kubelet(&node);
        let _server = asks.then(|| {
            kubelet.serve_pod_resources(&node.file("pod-resources/kubelet.sock")).unwrap()
        });
        let first = agent(&node, &[]);
        both(&kubelet).await;
        let mut second = agent(&node, &[]);
        second.wait_for_line("standing by", LIMIT).await.unwrap();
        let seen = kubelet.events().len();
        // SIGKILL.
        drop(first);
        second.wait_for_line("taking over", LIMIT).await.unwrap();
        let taken = |events: &[Event]| {
            [AF_NLB0, AF_NLB3].iter().all(|name| after(events, seen, name).ends_with(&["list"]))
        };
        let events = kubelet.wait_for_events(LIMIT, taken).await.unwrap();
        for resource in [AF_NLB0, AF_NLB3] {
            // Once, and the kubelet kept it.
            assert_eq!(after(&events, seen, resource), ["gone", "registered", "list"]);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(kubelet.events().len(), events.len(), "{:?}", kubelet.events());
        can_be_given(&kubelet).await;
        assert!(second.terminate(LIMIT).await.unwrap().success());
    }
}

#[tokio::test]
async fn the_second_takes_over_when_the_first_is_stopped() {
    let node = two_functions();
    let kubelet = slow_kubelet(&node);
    let _server = kubelet.serve_pod_resources(&node.file("pod-resources/kubelet.sock")).unwrap();
    let mut serving = agent(&node, &[]);
    both(&kubelet).await;
    for round in 0..5 {
        let mut next = agent(&node, &[]);
        next.wait_for_line("standing by", LIMIT).await.unwrap();
        let seen = kubelet.events().len();
        assert!(serving.terminate(LIMIT).await.unwrap().success());
        let taken = |events: &[Event]| {
            [AF_NLB0, AF_NLB3].iter().all(|name| after(events, seen, name).ends_with(&["list"]))
        };
        let events = kubelet.wait_for_events(LIMIT, taken).await.unwrap();
        for resource in [AF_NLB0, AF_NLB3] {
            let after = after(&events, seen, resource);
            assert_eq!(after, ["gone", "registered", "list"], "round {round}");
        }
        can_be_given(&kubelet).await;
        serving = next;
    }
}

#[tokio::test]
async fn one_that_stands_by_is_ready_and_touches_nothing() {
    let node = two_functions();
    let kubelet = node.kubelet();
    let first = agent(&node, &[]);
    both(&kubelet).await;
    let events = kubelet.events().len();
    let files = || {
        let run = std::fs::read_dir(node.file("run")).unwrap();
        let names = run.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.chain(node.plugin_sockets()).collect();
        names.sort();
        (names, node.cdi().exists())
    };
    let before = files();
    let mut second = agent(&node, &["--mode", "region", "--health-address", "127.0.0.1:0"]);
    second.wait_for_line("standing by", LIMIT).await.unwrap();
    let address = crate::health::address(&mut second).await;
    assert_eq!(crate::health::get(&address, "/healthz").await.0, 200);
    assert_eq!(crate::health::get(&address, "/readyz").await.0, 200);
    let metrics = crate::health::get(&address, "/metrics").await.1;
    assert!(metrics.contains("kube_fpga_agent_standby 1"), "{metrics}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!((files(), kubelet.events().len()), (before, events));
    // It ends on request, and the first one continues.
    assert!(second.terminate(LIMIT).await.unwrap().success());
    let third = agent(&node, &[]);
    drop(third);
    assert_eq!(registrations(&kubelet, AF_NLB0), 1);
    can_be_given(&kubelet).await;
    assert!(first.terminate(LIMIT).await.unwrap().success());
    eventually("its sockets are removed", || node.plugin_sockets().is_empty()).await;
}
