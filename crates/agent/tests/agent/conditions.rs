//! What makes a device unhealthy, each cause on one of two cards: exactly its devices suffer, under their
//! own names, and they come back when it is gone.

use fpga_demo::kubelet::Kubelet;
use fpga_demo::process::Process;
use fpga_emulator::card::regs;
use fpga_emulator::host::Host;

use crate::node::{AF_NLB0, AF_NLB3, LIMIT, Node, REGION, allocatable, cards, devices, eventually};

/// Errors and temperatures are looked at often, and scans are far away.
const LOOK_OFTEN: [&str; 4] = ["--health-interval", "20ms", "--rescan-interval", "1h"];

/// The first card has two ports, whose devices are the first two.
fn two_cards() -> Node {
    Node::new(&cards(&[(0x10, &["nlb3", "nlb3"]), (0x20, &["nlb3"])]))
}

async fn start(node: &Node, more: &[&str]) -> (Kubelet, Process) {
    let kubelet = node.kubelet();
    let agent = node.agent(&[&LOOK_OFTEN, more].concat());
    allocatable(&kubelet, AF_NLB3, 3).await;
    (kubelet, agent)
}

/// Waits until exactly these ports are unhealthy; the others must be listed as healthy.
async fn unhealthy(kubelet: &Kubelet, ports: &[u32]) {
    let expected: Vec<String> = (0..3)
        .map(|port| {
            let health = if ports.contains(&port) { "Unhealthy" } else { "Healthy" };
            format!("dfl-port.{port} {health}")
        })
        .collect();
    let newest = || kubelet.lists(AF_NLB3).pop().unwrap_or_default();
    eventually(&format!("{expected:?}"), || devices(&newest()) == expected).await;
}

/// Breaks something, and mends it.
async fn breaks(
    name: &str,
    more: &[&str],
    breaking: impl FnOnce(&mut Host),
    mending: impl FnOnce(&mut Host),
    ports: &[u32],
) {
    let mut node = two_cards();
    let (kubelet, mut agent) = start(&node, more).await;
    node.change(breaking);
    unhealthy(&kubelet, ports).await;
    let line = agent.wait_for_line("device is unhealthy", LIMIT).await.unwrap();
    assert!(line.contains(&format!("reason={name}")), "{line}");
    node.change(mending);
    unhealthy(&kubelet, &[]).await;
    agent.wait_for_line("device is healthy again", LIMIT).await.unwrap();
    let other = kubelet.node();
    assert_eq!(other.resources.len(), 1, "no device moved to another resource: {other:?}");
}

#[tokio::test]
async fn a_card_that_is_too_hot() {
    let hot = |host: &mut Host| host.slots[0].card.set_temperature(95);
    let cool = |host: &mut Host| host.slots[0].card.set_temperature(60);
    breaks("temperature", &[], hot, cool, &[0, 1]).await;
}

#[tokio::test]
async fn a_card_above_the_operators_limit() {
    let hot = |host: &mut Host| host.slots[1].card.set_temperature(60);
    let cool = |host: &mut Host| host.slots[1].card.set_temperature(49);
    let limit = ["--temperature-limit", "55", "-temperature-hysteresis=5"];
    breaks("temperature", &limit, hot, cool, &[2]).await;
}

#[tokio::test]
async fn a_port_with_an_error() {
    let latch = |host: &mut Host| host.slots[0].card.raise_port_error(1, 1 << 48);
    let register = regs::PORT_SPAN + regs::PORT_ERROR;
    let clear = move |host: &mut Host| host.slots[0].card.port_write(register, 1 << 48);
    breaks("port_error", &[], latch, clear, &[1]).await;
}

#[tokio::test]
async fn a_card_with_a_fatal_error() {
    let latch = |host: &mut Host| host.slots[0].card.raise_fme_error(1);
    let clear = |host: &mut Host| host.slots[0].card.fme_write(regs::FME_ERROR, 1);
    breaks("fatal_error", &[], latch, clear, &[0, 1]).await;
}

#[tokio::test]
async fn a_card_with_a_catastrophic_error() {
    let inject = |host: &mut Host| host.slots[1].card.fme_write(regs::RAS_ERROR_INJECT, 1);
    let end = |host: &mut Host| host.slots[1].card.fme_write(regs::RAS_ERROR_INJECT, 0);
    breaks("fatal_error", &[], inject, end, &[2]).await;
}

#[tokio::test]
async fn a_port_that_is_switched_off() {
    let off = |host: &mut Host| host.slots[0].card.set_power_state(0, 6);
    let on = |host: &mut Host| host.slots[0].card.set_power_state(0, 0);
    breaks("power_off", &[], off, on, &[0]).await;
}

#[tokio::test]
async fn a_port_that_is_throttled_where_that_counts() {
    let slow = |host: &mut Host| host.slots[0].card.set_power_state(0, 2);
    let fast = |host: &mut Host| host.slots[0].card.set_power_state(0, 0);
    breaks("throttled", &["--unhealthy-on", "temperature,throttling"], slow, fast, &[0]).await;
}

/// What the card goes on after is told, and harms nobody.
#[tokio::test]
async fn a_nonfatal_error_makes_nothing_unhealthy() {
    let mut node = two_cards();
    let (kubelet, mut agent) = start(&node, &[]).await;
    let events = kubelet.events().len();
    node.change(|host| host.slots[0].card.fme_write(regs::RAS_ERROR_INJECT, 4));
    node.change(|host| host.slots[0].card.set_power_state(0, 1));
    agent.wait_for_line("reason=nonfatal_error", LIMIT).await.unwrap();
    agent.wait_for_line("reason=throttled", LIMIT).await.unwrap();
    node.change(|host| host.slots[0].card.fme_write(regs::RAS_ERROR_INJECT, 0));
    agent.wait_for_line("no longer: injected warning", LIMIT).await.unwrap();
    assert_eq!(kubelet.events().len(), events, "{:?}", kubelet.events());
}

/// Fault 6: a card that is gone takes its devices out of the kubelet's sight at once.
#[tokio::test]
async fn a_card_that_vanished_stays_listed_and_comes_back() {
    let mut node = two_cards();
    let (kubelet, mut agent) = start(&node, &[]).await;
    node.change(|host| host.remove(0));
    let list = || devices(&kubelet.lists(AF_NLB3).pop().unwrap_or_default());
    let gone = ["dfl-port.2 Healthy", "dfl-port.0 Unhealthy", "dfl-port.1 Unhealthy"];
    eventually("its devices are unhealthy", || list() == gone).await;
    agent.wait_for_line("reason=vanished", LIMIT).await.unwrap();
    assert_eq!(kubelet.node().capacity(AF_NLB3), 3);
    node.change(|host| host.insert(0));
    unhealthy(&kubelet, &[]).await;
}

#[tokio::test]
async fn a_card_that_stays_away_is_withdrawn() {
    let mut node = Node::new(&cards(&[(0x10, &["nlb3"]), (0x20, &["nlb0"])]));
    let kubelet = node.kubelet();
    let _agent = node.agent(&["--rescan-interval", "1h", "--keep-vanished", "300ms"]);
    allocatable(&kubelet, AF_NLB0, 1).await;
    allocatable(&kubelet, AF_NLB3, 1).await;
    node.change(|host| host.remove(1));
    eventually("its resource is withdrawn", || kubelet.node().capacity(AF_NLB0) == 0).await;
    let lists: Vec<_> = kubelet.lists(AF_NLB0).iter().map(|list| devices(list)).collect();
    assert_eq!(lists, [vec!["dfl-port.1 Healthy"], vec!["dfl-port.1 Unhealthy"], vec![]]);
    assert_eq!(kubelet.node().allocatable(AF_NLB3), 1);
}

/// A pod has it: the kubelet goes on counting it, and whoever comes next is told why it is refused.
#[tokio::test]
async fn a_device_that_is_held_vanishes_with_its_card() {
    let mut node = two_cards();
    let kubelet = node.kubelet();
    let arguments = ["--mode", "region", "--programming", "none"];
    let _agent = node.agent(&[&LOOK_OFTEN[..], &arguments].concat());
    allocatable(&kubelet, REGION, 3).await;
    let all = [(REGION.to_owned(), 3)].into();
    kubelet.allocate("pod", &all).await.unwrap();
    node.change(|host| host.remove(1));
    let list = || devices(&kubelet.lists(REGION).pop().unwrap_or_default());
    let gone = ["dfl-fme.0-port0 Healthy", "dfl-fme.0-port1 Healthy", "dfl-fme.1 Unhealthy"];
    eventually("its device is unhealthy", || list() == gone).await;
    assert_eq!(kubelet.node().capacity(REGION), 3);
    kubelet.release("pod");
    node.change(|host| host.insert(1));
    allocatable(&kubelet, REGION, 3).await;
    kubelet.allocate("pod", &all).await.unwrap();
}
