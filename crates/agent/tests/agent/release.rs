//! Regions that pods have left, and regions that are being programmed, on cards that answer ioctls.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use fpga_demo::kubelet::Kubelet;
use fpga_demo::process::Process;
use fpga_emulator::card::afu;
use fpga_emulator::ctl::Command;
use fpga_emulator::gbs::Bitstream;
use fpga_emulator::machine::DEFAULT_INTERFACE_ID;

use crate::emulated::{Emulated, TWO_CARDS};
use crate::node::{LIMIT, Node, REGION, allocatable, cards, devices, eventually};

const CLEAN: &str = "0x0";

fn errors(node: &Emulated, port: &str) -> String {
    node.attribute(port, "errors/errors").unwrap()
}

/// Leaves something behind on both cards that only a cleaning takes away.
fn soil(node: &Emulated) {
    for card in ["near", "far"] {
        node.control(&Command::PortError { card: card.to_owned(), port: 0, bits: 1 });
    }
    assert_ne!(errors(node, "dfl-port.0"), CLEAN);
    assert_ne!(errors(node, "dfl-port.1"), CLEAN);
}

/// Gives one region to a pod and returns the name of its port.
async fn give(kubelet: &Kubelet, pod: &str) -> String {
    let given = kubelet.allocate(pod, &BTreeMap::from([(REGION.to_owned(), 1)])).await.unwrap();
    given[0].devices[0].host_path.strip_prefix("/dev/").unwrap().to_owned()
}

fn other(port: &str) -> &'static str {
    if port == "dfl-port.0" { "dfl-port.1" } else { "dfl-port.0" }
}

/// Fault 29: no port reset between tenants.
#[tokio::test]
async fn a_region_that_a_pod_left_is_cleaned_and_no_other() {
    let node = Emulated::start(TWO_CARDS);
    let kubelet = node.kubelet();
    let server = kubelet.serve_pod_resources(&node.pod_resources()).unwrap();
    let mut agent = node.agent();
    allocatable(&kubelet, REGION, 2).await;
    let (left, kept) = (give(&kubelet, "leaves").await, give(&kubelet, "stays").await);
    assert_eq!(kept, other(&left));
    soil(&node);
    eventually("the kubelet was asked who has what", || server.asked() > 1).await;
    kubelet.release("leaves");
    agent.wait_for_line("region cleaned", LIMIT).await.unwrap();
    assert_eq!(errors(&node, &left), CLEAN);
    assert_ne!(errors(&node, &kept), CLEAN, "the region of a running pod was touched");
}

/// What was given before the agent started is known by the kubelet alone.
#[tokio::test]
async fn a_restart_of_the_agent_forgets_nobody() {
    let node = Emulated::start(TWO_CARDS);
    let kubelet = node.kubelet();
    let server = kubelet.serve_pod_resources(&node.pod_resources()).unwrap();
    let agent = node.agent();
    allocatable(&kubelet, REGION, 2).await;
    let left = give(&kubelet, "leaves").await;
    assert!(agent.terminate(LIMIT).await.unwrap().success());
    soil(&node);

    let asked = server.asked();
    let mut agent = node.agent();
    let list = || devices(&kubelet.lists(REGION).pop().unwrap_or_default());
    let soiled = ["dfl-fme.0 Unhealthy", "dfl-fme.1 Unhealthy"];
    eventually("errors are seen", || list() == soiled).await;
    eventually("the kubelet was asked", || server.asked() > asked).await;
    kubelet.release("leaves");
    // As its container's end is seen: a process closes the port.
    drop(File::open(node.node(&left)).unwrap());
    agent.wait_for_line("region cleaned", LIMIT).await.unwrap();
    assert_eq!(errors(&node, &left), CLEAN);
    assert_ne!(errors(&node, other(&left)), CLEAN, "a region that nobody had was touched");
    allocatable(&kubelet, REGION, 1).await;

    // With nothing in use, nobody is asked any more.
    let asked = server.asked();
    drop(File::open(node.node(&left)).unwrap());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.asked(), asked);
}

#[tokio::test]
async fn a_region_that_is_still_open_is_cleaned_when_it_is_closed() {
    let node = Emulated::start(TWO_CARDS);
    let kubelet = node.kubelet();
    let _server = kubelet.serve_pod_resources(&node.pod_resources()).unwrap();
    let mut agent = node.agent();
    allocatable(&kubelet, REGION, 2).await;
    let left = give(&kubelet, "leaves").await;
    let mut tenant = tokio::process::Command::new("sleep")
        .arg("1000")
        .stdin(File::open(node.node(&left)).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    soil(&node);
    tokio::time::sleep(Duration::from_secs(1)).await;
    kubelet.release("leaves");
    let line = agent.wait_for_line("region not cleaned yet", LIMIT).await.unwrap();
    assert!(line.contains("in use by process") && line.contains("(sleep)"), "{line}");
    assert_ne!(errors(&node, &left), CLEAN);
    tenant.kill().await.unwrap();
    agent.wait_for_line("region cleaned", LIMIT).await.unwrap();
    assert_eq!(errors(&node, &left), CLEAN);
}

#[tokio::test]
async fn without_the_kubelets_word_nothing_is_touched() {
    let node = Emulated::start(TWO_CARDS);
    let kubelet = node.kubelet();
    let mut agent = node.agent();
    allocatable(&kubelet, REGION, 2).await;
    let left = give(&kubelet, "leaves").await;
    soil(&node);
    kubelet.release("leaves");
    drop(File::open(node.node(&left)).unwrap());
    agent.wait_for_line("cleaned by the runtime hook alone", LIMIT).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_ne!(errors(&node, &left), CLEAN);
    let words = agent.log().iter().filter(|line| line.contains("the runtime hook alone")).count();
    assert_eq!(words, 1, "said again and again");
}

/// As in the chart's pod, whose device rules let it open nothing.
#[tokio::test]
async fn an_agent_that_may_open_no_device_says_so_once_and_leaves_the_cleaning_to_the_hook() {
    let node = Node::new(&cards(&[(0x10, &["nlb3"])]));
    for name in ["dfl-fme.0", "dfl-port.0"] {
        let path = node.root().join("dev").join(name);
        std::fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
    }
    let kubelet = node.kubelet();
    let socket = node.file("pod-resources/kubelet.sock");
    let server = kubelet.serve_pod_resources(&socket).unwrap();
    let mut agent = Process::start(powerless(&node.command(&["--mode", "region"]))).unwrap();
    allocatable(&kubelet, REGION, 1).await;
    let release = async |pod: &str| {
        give(&kubelet, pod).await;
        let asked = server.asked();
        eventually("the pod is seen", || server.asked() > asked).await;
        kubelet.release(pod);
    };
    release("first").await;
    let line = agent.wait_for_line("cleaned by the runtime hook alone", LIMIT).await.unwrap();
    assert!(line.contains("may open no device") && line.contains("dfl-"), "{line}");
    release("second").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let log = agent.log();
    let words = log.iter().filter(|line| line.contains("clean")).count();
    assert_eq!(words, 1, "{log:?}");
    // It stopped asking, too.
    let asked = server.asked();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.asked(), asked);
}

/// The same command without the capabilities that root has.
fn powerless(command: &tokio::process::Command) -> tokio::process::Command {
    let command = command.as_std();
    let mut powerless = tokio::process::Command::new("setpriv");
    if nix::unistd::geteuid().is_root() {
        powerless.args(["--bounding-set=-all", "--inh-caps=-all"]);
    }
    powerless.arg("--no-new-privs").arg(command.get_program()).args(command.get_args());
    powerless.env_remove("NODE_NAME");
    powerless
}

/// Fault 5: a port that is being reprogrammed ends the plugin.
#[tokio::test]
async fn a_region_is_in_order_while_it_is_programmed_and_not_after_that_failed() {
    let node = Emulated::start(TWO_CARDS);
    let kubelet = node.kubelet();
    let mut agent = node.agent();
    allocatable(&kubelet, REGION, 2).await;
    let file = node.file("nlb0.gbs");
    let bitstream = Bitstream {
        interface: DEFAULT_INTERFACE_ID,
        function: afu::NLB0,
        name: "nlb".to_owned(),
        size: 64 << 10,
        clocks: None,
    };
    std::fs::write(&file, bitstream.to_bytes().unwrap()).unwrap();
    let program = ["program", file.to_str().unwrap(), "dfl-port.0", "--quiet"];

    // Longer than it takes to find a region that stays busy.
    node.control(&Command::PrTime { card: "near".to_owned(), ms: 2000 });
    assert!(node.fpgactl(&program).status().await.unwrap().success());
    assert_eq!(node.attribute("dfl-port.0", "afu_id").unwrap(), "d8424dc4a4a3c413f89e433683f9040b");
    let lists = kubelet.lists(REGION);
    assert_eq!(lists.len(), 1, "the region was unhealthy or gone meanwhile: {lists:?}");

    node.control(&Command::PrTime { card: "near".to_owned(), ms: 0 });
    node.control(&Command::PrError { card: "near".to_owned(), bits: 2 });
    let again = [&program[..], &["--reprogram"]].concat();
    assert!(!node.fpgactl(&again).status().await.unwrap().success());
    allocatable(&kubelet, REGION, 1).await;
    let list = kubelet.lists(REGION).pop().unwrap();
    assert_eq!(devices(&list), ["dfl-fme.0 Unhealthy", "dfl-fme.1 Healthy"]);
    let line = agent.wait_for_line("device is unhealthy", LIMIT).await.unwrap();
    assert!(line.contains("the last programming failed: run `fpgactl recover`"), "{line}");

    node.control(&Command::Rebind { card: "near".to_owned() });
    allocatable(&kubelet, REGION, 2).await;
}
