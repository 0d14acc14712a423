//! Changes on the node while the agent runs.

use fpga_demo::kubelet::What;
use fpga_emulator::card::afu;
use nix::errno::Errno;

use crate::node::{
    AF_NLB0, AF_NLB3, LIMIT, Node, REGION, allocatable, cards, devices, eventually, one_card,
};

/// Fault 6: removal sends no empty list. Fault 11: changes are found by polling; here the interval is
/// far longer than the test.
#[tokio::test]
async fn a_function_that_is_replaced_moves_its_device() {
    let mut node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let mut agent = node.agent(&["--rescan-interval", "1h"]);
    allocatable(&kubelet, AF_NLB3, 1).await;

    node.change(|host| host.slots[0].card.set_function(0, afu::NLB0));
    allocatable(&kubelet, AF_NLB0, 1).await;
    let gone = |events: &[fpga_demo::kubelet::Event]| {
        events.iter().any(|event| event.resource == AF_NLB3 && event.what == What::Gone)
    };
    kubelet.wait_for_events(LIMIT, gone).await.expect("the old resource was not closed");
    let lists: Vec<_> = kubelet.lists(AF_NLB3).iter().map(|list| devices(list)).collect();
    assert_eq!(lists, [vec!["dfl-port.0 Healthy"], vec![]]);
    eventually("the old socket is removed", || !node.socket(AF_NLB3).exists()).await;

    // And back: the name was used before.
    node.change(|host| host.slots[0].card.set_function(0, afu::NLB3));
    allocatable(&kubelet, AF_NLB3, 1).await;
    agent.wait_for_line("resource withdrawn", LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_card_that_falls_off_the_bus_takes_only_its_own_devices() {
    let mut node = Node::new(&cards(&[(0x10, &["nlb3"]), (0x20, &["nlb3", "nlb0"])]));
    let kubelet = node.kubelet();
    let _agent = node.agent(&["--rescan-interval", "1h", "--keep-vanished", "none"]);
    allocatable(&kubelet, AF_NLB3, 2).await;
    allocatable(&kubelet, AF_NLB0, 1).await;

    node.change(|host| host.remove(1));
    allocatable(&kubelet, AF_NLB3, 1).await;
    eventually("its resource is withdrawn", || kubelet.node().capacity(AF_NLB0) == 0).await;

    node.change(|host| host.insert(1));
    allocatable(&kubelet, AF_NLB3, 2).await;
    allocatable(&kubelet, AF_NLB0, 1).await;
}

/// Fault 11: a driver that is loaded later is never noticed; the plugin has ended long before.
#[tokio::test]
async fn a_driver_that_is_loaded_later_is_noticed() {
    let mut node = Node::without_driver(&one_card());
    let kubelet = node.kubelet();
    let mut agent = node.agent(&["--rescan-interval", "1h"]);
    agent.wait_for_line("no FPGA driver is loaded", LIMIT).await.unwrap();
    node.load_driver();
    allocatable(&kubelet, AF_NLB3, 1).await;
    agent.wait_for_line("an FPGA driver has been loaded", LIMIT).await.unwrap();
}

/// Fault 5: one unreadable attribute ends the whole plugin. Fault 9: a sick device leaves its resource.
#[tokio::test]
async fn a_function_that_cannot_be_read_is_unhealthy_where_it_was() {
    let mut node = Node::new(&cards(&[(0x10, &["nlb3"]), (0x20, &["nlb3"])]));
    let kubelet = node.kubelet();
    let mut agent = node.agent(&["--rescan-interval", "1h"]);
    allocatable(&kubelet, AF_NLB3, 2).await;

    node.deny_function("dfl-port.0", Some(Errno::EIO));
    allocatable(&kubelet, AF_NLB3, 1).await;
    let list = kubelet.lists(AF_NLB3).pop().unwrap();
    assert_eq!(devices(&list), ["dfl-port.0 Unhealthy", "dfl-port.1 Healthy"]);
    agent.wait_for_line("device is unhealthy", LIMIT).await.unwrap();

    node.deny_function("dfl-port.0", None);
    allocatable(&kubelet, AF_NLB3, 2).await;
    assert_eq!(kubelet.node().resources.len(), 1, "{:?}", kubelet.node());
}

/// Fault 5 at start: the card is bad from the beginning.
#[tokio::test]
async fn one_bad_card_among_four_hides_none_of_the_others() {
    let four: Vec<(u8, &[&str])> = (1..=4).map(|bus| (bus, ["nlb3"].as_slice())).collect();
    let mut node = Node::new(&cards(&four));
    node.deny_function("dfl-port.0", Some(Errno::EIO));
    let kubelet = node.kubelet();
    let mut agent = node.agent(&[]);
    allocatable(&kubelet, AF_NLB3, 3).await;
    agent
        .wait_for_line("dfl-port.0: not offered: its function cannot be read", LIMIT)
        .await
        .unwrap();
}

/// Fault 9: a crashed card moves to the resource of all ones.
#[tokio::test]
async fn a_crashed_function_is_unhealthy_where_it_was() {
    let mut node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let _agent = node.agent(&[]);
    allocatable(&kubelet, AF_NLB3, 1).await;
    let ones = fpga_emulator::id::Guid::new(u128::MAX);
    node.change(|host| host.slots[0].card.set_function(0, ones));
    allocatable(&kubelet, AF_NLB3, 0).await;
    assert_eq!(kubelet.node().capacity(AF_NLB3), 1);
    assert_eq!(kubelet.node().resources.len(), 1, "{:?}", kubelet.node());
}

#[tokio::test]
async fn a_region_does_not_mind_what_its_port_holds() {
    let mut node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let _agent = node.agent(&["--mode", "region", "--keep-vanished", "none"]);
    allocatable(&kubelet, REGION, 1).await;
    node.change(|host| host.slots[0].card.set_function(0, afu::NLB0));
    node.deny_function("dfl-port.0", Some(Errno::EBUSY));
    node.change(|host| host.remove(0));
    eventually("the resource is withdrawn", || kubelet.node().capacity(REGION) == 0).await;
    let lists: Vec<_> = kubelet.lists(REGION).iter().map(|list| devices(list)).collect();
    assert_eq!(lists, [vec!["dfl-fme.0 Healthy"], vec![]]);
}
