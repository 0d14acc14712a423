//! Events of the node, on an API server.

use fpga_emulator::card::regs;

use crate::annotation::agent;
use crate::api::Api;
use crate::node::{AF_NLB3, LIMIT, Node, allocatable, cards, eventually};

const OPTIONS: [&str; 6] =
    ["--health-interval", "20ms", "--rescan-interval", "1h", "--health-address", "none"];

#[tokio::test]
async fn what_happens_to_a_device_is_an_event_of_the_node() {
    let mut node = Node::new(&cards(&[(0x10, &["nlb3"]), (0x20, &["nlb3"])]));
    let kubelet = node.kubelet();
    let api = Api::start(None).await;
    api.allow_writing();
    api.write_kubeconfig(&node.file("kubeconfig"));
    let _agent = agent(&node, &OPTIONS);
    allocatable(&kubelet, AF_NLB3, 2).await;
    assert_eq!(api.events(), [""; 0]);

    node.change(|host| host.slots[0].card.set_temperature(95));
    let ill = format!(
        "Warning FpgaTemperature: device dfl-port.0 of {AF_NLB3} is unhealthy: the card is at 93 °C or above"
    );
    eventually("it is told", || api.events() == [ill.clone()]).await;
    node.change(|host| host.slots[0].card.set_temperature(50));
    let well = format!("Normal FpgaHealthy: device dfl-port.0 of {AF_NLB3} is healthy again");
    eventually("it is told", || api.events() == [ill.clone(), well.clone()]).await;

    // What harms no device is told, too.
    node.change(|host| host.slots[1].card.fme_write(regs::RAS_ERROR_INJECT, 4));
    let told = "Warning FpgaNonfatalError: card 0000:20:00.0: injected warning".to_owned();
    eventually("it is told", || api.events().contains(&told)).await;
}

/// A card whose sensor swings, or a tenant that makes error after error, must not fill the cluster's store.
#[tokio::test]
async fn a_flood_is_cut_off() {
    let mut node = Node::new(&cards(&[(0x10, &["nlb3"])]));
    let kubelet = node.kubelet();
    let api = Api::start(None).await;
    api.allow_writing();
    api.write_kubeconfig(&node.file("kubeconfig"));
    let agent = agent(&node, &OPTIONS);
    allocatable(&kubelet, AF_NLB3, 1).await;
    let started = std::time::Instant::now();
    // Each set of errors is another one; in between, all is well.
    for bits in 1..60_u64 {
        let errors = bits << 16;
        node.change(|host| host.slots[0].card.raise_port_error(0, errors));
        allocatable(&kubelet, AF_NLB3, 0).await;
        node.change(|host| host.slots[0].card.port_write(regs::PORT_ERROR, u64::MAX));
        allocatable(&kubelet, AF_NLB3, 1).await;
    }
    eventually("the burst is written", || api.events().len() >= 20).await;
    // One more for each minute that the test has taken.
    let most = 20 + usize::try_from(started.elapsed().as_secs() / 60).unwrap();
    assert!(api.events().len() <= most, "{:#?}", api.events());
    assert!(agent.terminate(LIMIT).await.unwrap().success());
}

/// Without the right to write Events the agent says so once, and goes on.
#[tokio::test]
async fn a_server_that_takes_no_events_is_named_once() {
    let mut node = Node::new(&cards(&[(0x10, &["nlb3"])]));
    let kubelet = node.kubelet();
    let api = Api::start(None).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    let mut agent = agent(&node, &OPTIONS);
    allocatable(&kubelet, AF_NLB3, 1).await;
    for (celsius, count) in [(99, 0), (20, 1), (99, 0), (20, 1)] {
        node.change(|host| host.slots[0].card.set_temperature(celsius));
        allocatable(&kubelet, AF_NLB3, count).await;
    }
    agent.wait_for_line("no Events about node worker-1", LIMIT).await.unwrap();
    let said = agent.log().iter().filter(|line| line.contains("no Events about node")).count();
    assert_eq!(said, 1);
    assert_eq!(api.events(), [""; 0]);
}
