//! The bytes on the wire, by hand: a wrong field number in the `.proto` file cannot agree with itself here.
//! A key byte is `number << 3 | wire type`.

#![allow(clippy::unwrap_used)]

use kubelet_api::{podresources, v1beta1};
use prost::Message;

#[test]
fn registration_bytes() {
    let request = v1beta1::RegisterRequest {
        version: "v1beta1".into(),
        endpoint: "e.sock".into(),
        resource_name: "d/r".into(),
        options: Some(v1beta1::DevicePluginOptions {
            pre_start_required: true,
            get_preferred_allocation_available: true,
        }),
    };
    let expected = b"\x0a\x07v1beta1\x12\x06e.sock\x1a\x03d/r\x22\x04\x08\x01\x10\x01";
    assert_eq!(request.encode_to_vec(), expected);
}

#[test]
fn list_bytes() {
    let list = v1beta1::ListAndWatchResponse {
        devices: vec![v1beta1::Device {
            id: "a".into(),
            health: "Healthy".into(),
            topology: Some(v1beta1::TopologyInfo { nodes: vec![v1beta1::NumaNode { id: 1 }] }),
        }],
    };
    let expected = b"\x0a\x12\x0a\x01a\x12\x07Healthy\x1a\x04\x0a\x02\x08\x01";
    assert_eq!(list.encode_to_vec(), expected);
}

#[test]
fn allocation_bytes() {
    let response = v1beta1::AllocateResponse {
        container_responses: vec![v1beta1::ContainerAllocateResponse {
            envs: [("k".to_owned(), "v".to_owned())].into(),
            mounts: vec![v1beta1::Mount {
                container_path: "c".into(),
                host_path: "h".into(),
                read_only: true,
            }],
            devices: vec![v1beta1::DeviceSpec {
                container_path: "c".into(),
                host_path: "h".into(),
                permissions: "rw".into(),
            }],
            annotations: [("k".to_owned(), "v".to_owned())].into(),
            cdi_devices: vec![v1beta1::CdiDevice { name: "n".into() }],
        }],
    };
    let expected = b"\x0a\x2b\
        \x0a\x06\x0a\x01k\x12\x01v\
        \x12\x08\x0a\x01c\x12\x01h\x18\x01\
        \x1a\x0a\x0a\x01c\x12\x01h\x1a\x02rw\
        \x22\x06\x0a\x01k\x12\x01v\
        \x2a\x03\x0a\x01n";
    assert_eq!(response.encode_to_vec(), expected);
}

#[test]
fn preference_bytes() {
    let request = v1beta1::PreferredAllocationRequest {
        container_requests: vec![v1beta1::ContainerPreferredAllocationRequest {
            available_device_ids: vec!["a".into(), "b".into()],
            must_include_device_ids: vec!["b".into()],
            allocation_size: 2,
        }],
    };
    let expected = b"\x0a\x0b\x0a\x01a\x0a\x01b\x12\x01b\x18\x02";
    assert_eq!(request.encode_to_vec(), expected);
}

/// The reader's view: everything of the real message that is left out is skipped.
#[test]
fn pod_resources_bytes() {
    use podresources::v1::{
        ContainerDevices, ContainerResources, ListPodResourcesResponse, PodResources,
    };
    let list = ListPodResourcesResponse {
        pod_resources: vec![PodResources {
            name: "p".into(),
            namespace: "n".into(),
            containers: vec![ContainerResources {
                name: "c".into(),
                devices: vec![ContainerDevices {
                    resource_name: "d/r".into(),
                    device_ids: vec!["a".into(), "b".into()],
                }],
            }],
        }],
    };
    let expected =
        b"\x0a\x18\x0a\x01p\x12\x01n\x1a\x10\x0a\x01c\x12\x0b\x0a\x03d/r\x12\x01a\x12\x01b";
    assert_eq!(list.encode_to_vec(), expected);

    // As the real kubelet sends it, with the topology (3) of the devices, the CPUs (3, packed) of the
    // container, and CPUs (4, packed) of the pod.
    let real = b"\x0a\x26\x0a\x01p\x12\x01n\
        \x1a\x1a\x0a\x01c\x12\x11\x0a\x03d/r\x12\x01a\x12\x01b\x1a\x04\x0a\x02\x08\x01\x1a\x02\x01\x02\
        \x22\x02\x01\x02";
    assert_eq!(ListPodResourcesResponse::decode(&real[..]).unwrap(), list);
}
