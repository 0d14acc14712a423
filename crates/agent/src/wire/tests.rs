use super::*;
use crate::testing::device;

fn unhealthy(id: &str) -> Device {
    Device { health: Health::Unhealthy { reason: "it crashed".to_owned() }, ..device(id, 0, None) }
}

fn paths(response: &ContainerAllocateResponse) -> Vec<&str> {
    response.devices.iter().map(|spec| spec.host_path.as_str()).collect()
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

/// Upstream: TestAllocate, the cases that have to do with devices; and TestGetTopologyInfo as far as
/// the kubelet sees it.
#[test]
fn a_list_has_health_and_topology() {
    let list = list(&[device("a", 0, Some(1)), unhealthy("b")]);
    let topology = Some(TopologyInfo { nodes: vec![NumaNode { id: 1 }] });
    assert_eq!(
        list,
        [
            api::Device { id: "a".to_owned(), health: HEALTHY.to_owned(), topology },
            api::Device { id: "b".to_owned(), health: UNHEALTHY.to_owned(), topology: None },
        ]
    );
}

/// Upstream: TestAllocate, healthy device.
#[test]
fn a_container_gets_the_nodes_of_its_device() {
    let mut card = device("dfl-fme.0", 0, None);
    card.nodes = vec!["dfl-port.0".to_owned(), "dfl-port.1".to_owned(), "dfl-fme.0".to_owned()];
    let response = allocate(&[card], Mode::RegionDevel, &ids(&["dfl-fme.0"])).unwrap();
    assert_eq!(paths(&response), ["/dev/dfl-port.0", "/dev/dfl-port.1", "/dev/dfl-fme.0"]);
    for spec in &response.devices {
        assert_eq!(
            (spec.container_path.as_str(), spec.permissions.as_str()),
            (spec.host_path.as_str(), "rw")
        );
    }
    assert!(
        response.annotations.is_empty()
            && response.cdi_devices.is_empty()
            && response.envs.is_empty()
    );
}

/// Upstream: TestAllocate, two healthy devices.
#[test]
fn a_node_is_given_once() {
    let mut shared = device("b", 0, None);
    shared.nodes = ids(&["b", "a"]);
    let response =
        allocate(&[device("a", 0, None), shared], Mode::Af, &ids(&["a", "b", "a"])).unwrap();
    assert_eq!(paths(&response), ["/dev/a", "/dev/b"]);
}

/// Upstream: TestPostAllocate.
#[test]
fn region_mode_marks_the_container() {
    let annotations =
        |mode| allocate(&[device("a", 0, None)], mode, &ids(&["a"])).unwrap().annotations;
    let expected =
        HashMap::from([("com.intel.fpga.mode".to_owned(), "fpga.intel.com/region".to_owned())]);
    assert_eq!(annotations(Mode::Region), expected);
    assert!(annotations(Mode::Af).is_empty());
    assert!(annotations(Mode::RegionDevel).is_empty());
}

/// Upstream: TestAllocate, non-existing device and unhealthy device.
#[test]
fn bad_devices_are_named() {
    let devices = [device("a", 0, None), unhealthy("b")];
    let refuse =
        |wanted: &[&str]| allocate(&devices, Mode::Af, &ids(wanted)).unwrap_err().to_string();
    assert_eq!(refuse(&["a", "x"]), "invalid allocation request with non-existing device x");
    assert_eq!(refuse(&["b"]), "invalid allocation request with unhealthy device b: it crashed");
}
