//! What the kubelet is offered and given in each mode.

use std::collections::BTreeMap;
use std::time::Duration;

use fpga_demo::kubelet::What;
use kubelet_api::v1beta1::{ContainerAllocateResponse, DeviceSpec};

use crate::node::{
    AF_NLB0, AF_NLB3, LIMIT, Node, REGION, REGIONDEVEL, allocatable, cards, devices, one_card,
};

fn paths(response: &ContainerAllocateResponse) -> Vec<&str> {
    response.devices.iter().map(|spec| spec.host_path.as_str()).collect()
}

/// Upstream: TestRegisterWithKubelet, TestNotify, TestHandleUpdate, TestRun; fault 6 (the first list is
/// empty).
#[tokio::test]
async fn af_mode_end_to_end() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let mut agent = node.agent(&["-mode", "af"]);
    allocatable(&kubelet, AF_NLB3, 1).await;

    let event = kubelet.events().remove(0);
    let endpoint = "fpga.intel.com-af-f7df405cbd7acf7222f144b0b93acd18.sock".to_owned();
    assert_eq!((event.resource.as_str(), event.what), (AF_NLB3, What::Registered { endpoint }));
    assert_eq!(devices(&kubelet.lists(AF_NLB3)[0]), ["dfl-port.0 Healthy"]);
    let topology = kubelet.lists(AF_NLB3)[0][0].topology.clone().unwrap();
    assert_eq!(topology.nodes.iter().map(|node| node.id).collect::<Vec<_>>(), [0]);

    let given = kubelet.allocate("pod", &BTreeMap::from([(AF_NLB3.to_owned(), 1)])).await.unwrap();
    let path = "/dev/dfl-port.0".to_owned();
    let spec =
        DeviceSpec { container_path: path.clone(), host_path: path, permissions: "rw".to_owned() };
    assert_eq!(given, [ContainerAllocateResponse { devices: vec![spec], ..Default::default() }]);

    for line in ["FPGA device plugin started in af mode", "device-plugin registered"] {
        agent.wait_for_line(line, LIMIT).await.unwrap();
    }
    let socket = format!("device-plugin start server at: {}", node.socket(AF_NLB3).display());
    agent.wait_for_line(&socket, LIMIT).await.unwrap();
}

/// Fault 3: only the first port of a card is reported. Fault 4: a card of two regions crashes the
/// plugin.
#[tokio::test]
async fn every_port_of_every_card_is_offered() {
    let node = Node::new(&cards(&[(0x10, &["nlb0", "nlb3"]), (0x90, &["nlb3"])]));
    let kubelet = node.kubelet();
    let _agent = node.agent(&[]);
    allocatable(&kubelet, AF_NLB0, 1).await;
    allocatable(&kubelet, AF_NLB3, 2).await;
    let list = kubelet.lists(AF_NLB3).pop().unwrap();
    assert_eq!(list[0].topology.as_ref().unwrap().nodes[0].id, 0);
    assert_eq!(list[1].topology.as_ref().unwrap().nodes[0].id, 1);
}

/// Fault 3 and 4 in region mode: every slot is a device, and none gives another one's port.
#[tokio::test]
async fn region_mode_offers_each_slot_with_its_own_port() {
    let node = Node::new(&cards(&[(0x10, &["nlb0", "nlb3"]), (0x20, &["nlb3"])]));
    let kubelet = node.kubelet();
    let _agent = node.agent(&["--mode=region"]);
    allocatable(&kubelet, REGION, 3).await;
    let mut seen = Vec::new();
    for pod in ["a", "b", "c"] {
        let given = kubelet.allocate(pod, &BTreeMap::from([(REGION.to_owned(), 1)])).await.unwrap();
        let [given] = given.as_slice() else { panic!("{given:?}") };
        assert_eq!(given.annotations["com.intel.fpga.mode"], "fpga.intel.com/region");
        assert!(given.cdi_devices[0].name.starts_with("intel.cdi.k8s.io/fpga=dfl-fme."));
        let [path] = paths(given)[..] else { panic!("{given:?}") };
        assert!(path.starts_with("/dev/dfl-port."), "{path}");
        seen.push(path.to_owned());
    }
    seen.sort();
    assert_eq!(seen, ["/dev/dfl-port.0", "/dev/dfl-port.1", "/dev/dfl-port.2"]);
}

#[tokio::test]
async fn regiondevel_mode_gives_the_whole_card() {
    let node = Node::new(&cards(&[(0x10, &["nlb0", "nlb3"])]));
    let kubelet = node.kubelet();
    let _agent = node.agent(&["--mode", "regiondevel"]);
    allocatable(&kubelet, REGIONDEVEL, 1).await;
    assert_eq!(kubelet.node().capacity(REGION), 0);
    let wanted = BTreeMap::from([(REGIONDEVEL.to_owned(), 1)]);
    let given = kubelet.allocate("pod", &wanted).await.unwrap();
    assert_eq!(paths(&given[0]), ["/dev/dfl-port.0", "/dev/dfl-port.1", "/dev/dfl-fme.0"]);
    assert!(given[0].annotations.is_empty());
}

/// As Intel's plugin has it.
#[tokio::test]
async fn regiondevel_mode_shares_the_name_of_region_mode_by_a_flag() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let _agent = node.agent(&["--mode", "regiondevel", "--regiondevel-name", "shared"]);
    allocatable(&kubelet, REGION, 1).await;
    assert_eq!(kubelet.node().capacity(REGIONDEVEL), 0);
    let given = kubelet.allocate("pod", &BTreeMap::from([(REGION.to_owned(), 1)])).await.unwrap();
    assert_eq!(paths(&given[0]), ["/dev/dfl-port.0", "/dev/dfl-fme.0"]);
}

/// Fault 11: no GetPreferredAllocation. Two of three devices come from the card that has two.
#[tokio::test]
async fn the_kubelet_is_told_what_to_prefer() {
    let node = Node::new(&cards(&[(0x10, &["nlb3"]), (0x20, &["nlb3", "nlb3"])]));
    let kubelet = node.kubelet();
    let _agent = node.agent(&[]);
    allocatable(&kubelet, AF_NLB3, 3).await;
    let given = kubelet.allocate("pod", &BTreeMap::from([(AF_NLB3.to_owned(), 2)])).await.unwrap();
    assert_eq!(paths(&given[0]), ["/dev/dfl-port.1", "/dev/dfl-port.2"]);
}

#[tokio::test]
async fn encoded_names_are_a_flag_away() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let _agent = node.agent(&["--naming", "encoded"]);
    let name = "fpga.intel.com/af-695.f7d.aVKNtusxV3qMNmj5-qCB9vffQFy9es9yIvFEsLk6zRg";
    allocatable(&kubelet, name, 1).await;
}

/// Fault 11: only one of the two drivers at a time.
#[tokio::test]
async fn cards_of_both_drivers_are_offered_together() {
    let opae = "[[card]]\nname = \"opae\"\nkind = \"pac-a10\"\ndriver = \"opae\"\npci = \"0000:d8:00.0\"\n[[card.port]]\nafu = \"nlb3\"\n";
    let node = Node::new(&format!("{}{opae}", one_card()));
    let kubelet = node.kubelet();
    let _agent = node.agent(&[]);
    allocatable(&kubelet, AF_NLB3, 2).await;
    let list = kubelet.lists(AF_NLB3).pop().unwrap();
    assert_eq!(devices(&list), ["dfl-port.0 Healthy", "intel-fpga-port.0 Healthy"]);
}

/// Fault 2: the list is sent again and again though nothing changed. Ten scans find the same here.
#[tokio::test]
async fn an_unchanged_list_is_sent_once() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let _agent = node.agent(&["--rescan-interval", "50ms"]);
    allocatable(&kubelet, AF_NLB3, 1).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(kubelet.lists(AF_NLB3).len(), 1);
    assert_eq!(kubelet.events().len(), 2, "one registration and one list: {:?}", kubelet.events());
}
