use super::*;
use crate::node::health::Reason;
use crate::testing::{device, nodes};

fn unhealthy(id: &str) -> Device {
    let health =
        Health::Unhealthy { reason: Reason::FirmwareCrashed, message: "it crashed".to_owned() };
    Device { health, ..device(id, 0, None) }
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
    card.nodes = nodes(&["dfl-port.0", "dfl-port.1", "dfl-fme.0"]);
    let response =
        allocate(&[card], Mode::RegionDevel, Programming::None, &ids(&["dfl-fme.0"])).unwrap();
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
    shared.nodes = nodes(&["b", "a"]);
    let response = allocate(
        &[device("a", 0, None), shared],
        Mode::Af,
        Programming::Cdi,
        &ids(&["a", "b", "a"]),
    )
    .unwrap();
    assert_eq!(paths(&response), ["/dev/a", "/dev/b"]);
}

#[test]
fn nodes_of_another_root_are_mounted() {
    let mut card = device("dfl-fme.0", 0, None);
    card.nodes = nodes(&["dfl-port.0"]);
    let given = allocate(&[card], Mode::Region, Programming::Cdi, &ids(&["dfl-fme.0"])).unwrap();
    let bound = bind(given.clone(), "/run/node/dev");
    let mount = Mount {
        host_path: "/run/node/dev/dfl-port.0".to_owned(),
        container_path: "/dev/dfl-port.0".to_owned(),
        read_only: false,
    };
    assert_eq!((bound.devices, bound.mounts), (vec![], vec![mount]));
    assert_eq!((bound.annotations, bound.cdi_devices), (given.annotations, given.cdi_devices));
}

/// Upstream: TestPostAllocate.
#[test]
fn what_has_the_hook_run_is_given_with_the_devices() {
    let given = |mode, programming| {
        let devices = [device("dfl-fme.0", 0x3b, None), device("dfl-fme.1", 0x86, None)];
        let wanted = ids(&["dfl-fme.1", "dfl-fme.0", "dfl-fme.1"]);
        let given = allocate(&devices, mode, programming, &wanted).unwrap();
        let names: Vec<_> = given.cdi_devices.into_iter().map(|device| device.name).collect();
        (given.annotations, names)
    };
    let annotations = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let mark = ("com.intel.fpga.mode", "fpga.intel.com/region");
    let places =
        ("com.intel.fpga.devices", "0000-86-00-0-slot0,0000-3b-00-0-slot0,0000-86-00-0-slot0");
    let names = ids(&["intel.cdi.k8s.io/fpga=dfl-fme.1", "intel.cdi.k8s.io/fpga=dfl-fme.0"]);
    for (mode, marks) in [(Mode::Region, &[mark][..]), (Mode::Af, &[]), (Mode::RegionDevel, &[])] {
        assert_eq!(given(mode, Programming::Cdi), (annotations(marks), names.clone()));
        let marks = [marks, &[places]].concat();
        assert_eq!(given(mode, Programming::HooksD), (annotations(&marks), Vec::new()));
        assert_eq!(given(mode, Programming::None), (HashMap::new(), Vec::new()));
    }
}

/// Upstream: TestAllocate, non-existing device and unhealthy device.
#[test]
fn bad_devices_are_named() {
    let devices = [device("a", 0, None), unhealthy("b")];
    let refuse = |wanted: &[&str]| {
        allocate(&devices, Mode::Af, Programming::Cdi, &ids(wanted)).unwrap_err().to_string()
    };
    assert_eq!(refuse(&["a", "x"]), "invalid allocation request with non-existing device x");
    assert_eq!(refuse(&["b"]), "invalid allocation request with unhealthy device b: it crashed");
}
