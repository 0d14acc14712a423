//! Between our devices and the kubelet's messages; pure.

use std::collections::HashMap;

use fpga::names::{
    CONTAINER_DEVICES_ANNOTATION, CONTAINER_MODE_ANNOTATION, CONTAINER_MODE_REGION, Mode,
};
use fpga::root::host_node;
use kubelet_api::v1beta1::{
    self as api, CdiDevice, ContainerAllocateResponse, DeviceSpec, Mount, NumaNode, TopologyInfo,
};
use kubelet_api::{HEALTHY, UNHEALTHY};

use crate::cdi;
use crate::plugin::device::{Device, Health};
use crate::plugin::handout::Programming;

/// Why devices are not given to a container. The texts are those that the Go plugin answers with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AllocateError {
    /// The resource has no such device.
    #[error("invalid allocation request with non-existing device {0}")]
    Unknown(String),
    /// The device cannot be used now.
    #[error("invalid allocation request with unhealthy device {id}: {reason}")]
    Unhealthy { id: String, reason: String },
}

/// The list of ListAndWatch.
#[must_use]
pub(crate) fn list(devices: &[Device]) -> Vec<api::Device> {
    devices.iter().map(device).collect()
}

fn device(device: &Device) -> api::Device {
    let health = if device.is_healthy() { HEALTHY } else { UNHEALTHY };
    let topology = |node: u32| TopologyInfo { nodes: vec![NumaNode { id: i64::from(node) }] };
    api::Device {
        id: device.id.clone(),
        health: health.to_owned(),
        topology: device.numa_node.map(topology),
    }
}

/// What one container is given for the devices `ids`: their nodes, each once, and what has the hook prepare them.
///
/// # Errors
/// [`AllocateError`] names the first device that cannot be given.
pub(crate) fn allocate(
    devices: &[Device],
    mode: Mode,
    programming: Programming,
    ids: &[String],
) -> Result<ContainerAllocateResponse, AllocateError> {
    let mut nodes: Vec<&str> = Vec::new();
    let mut places: Vec<String> = Vec::new();
    for id in ids {
        let device = devices
            .iter()
            .find(|d| d.id == *id)
            .ok_or_else(|| AllocateError::Unknown(id.clone()))?;
        if let Health::Unhealthy { message, .. } = &device.health {
            return Err(AllocateError::Unhealthy { id: id.clone(), reason: message.clone() });
        }
        places.push(device.place.to_string());
        for node in &device.nodes {
            if !nodes.contains(&node.name.as_str()) {
                nodes.push(&node.name);
            }
        }
    }
    Ok(ContainerAllocateResponse {
        devices: nodes.into_iter().map(spec).collect(),
        annotations: annotations(mode, programming, &places),
        cdi_devices: cdi_devices(programming, ids),
        ..Default::default()
    })
}

/// The same nodes as files of `directory` on the host, which is how a root that no driver serves has them.
#[must_use]
pub(crate) fn bind(given: ContainerAllocateResponse, directory: &str) -> ContainerAllocateResponse {
    let mount = |spec: DeviceSpec| {
        let name = spec.host_path.rsplit('/').next().unwrap_or_default();
        let host_path = format!("{directory}/{name}");
        Mount { host_path, container_path: spec.container_path, read_only: false }
    };
    let mounts = given.devices.into_iter().map(mount).collect();
    ContainerAllocateResponse { devices: Vec::new(), mounts, ..given }
}

fn spec(node: &str) -> DeviceSpec {
    let path = host_node(node);
    DeviceSpec { container_path: path.clone(), host_path: path, permissions: "rw".to_owned() }
}

/// The allocated devices, for a hook that no specification informs, and the mark of Intel's plugin.
fn annotations(mode: Mode, programming: Programming, places: &[String]) -> HashMap<String, String> {
    let mut annotations = HashMap::new();
    let mut note = |name: &str, value: String| annotations.insert(name.to_owned(), value);
    if programming == Programming::HooksD {
        note(CONTAINER_DEVICES_ANNOTATION, places.join(","));
    }
    if mode == Mode::Region && programming != Programming::None {
        note(CONTAINER_MODE_ANNOTATION, CONTAINER_MODE_REGION.to_owned());
    }
    annotations
}

/// The runtime finds by them the specs that have the hook run.
fn cdi_devices(programming: Programming, ids: &[String]) -> Vec<CdiDevice> {
    let mut devices: Vec<CdiDevice> = Vec::new();
    if programming == Programming::Cdi {
        for id in ids {
            let device = CdiDevice { name: cdi::qualified_name(id) };
            if !devices.contains(&device) {
                devices.push(device);
            }
        }
    }
    devices
}

#[cfg(test)]
mod tests;
