//! The questions to the kubelet: which devices do pods hold, and which could it give to them?

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use fpga::names::ResourceName;
use kubelet_api::podresources::v1::pod_resources_lister_client::PodResourcesListerClient;
use kubelet_api::podresources::v1::{
    AllocatableResourcesRequest, AllocatableResourcesResponse, ContainerDevices,
    ListPodResourcesRequest, ListPodResourcesResponse,
};
use tonic::transport::Channel;

use super::dial::{DialError, dial};

/// How long the kubelet may take to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// What an answer may take at most: the kubelet's own clients allow as much
/// (`pkg/kubelet/apis/podresources/client.go`).
const LONGEST: usize = 16 << 20;

/// A device of one of our resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Held {
    pub resource: ResourceName,
    pub id: String,
}

/// What the kubelet answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List {
    /// Whether it shows any pod, with devices or without.
    pub has_pods: bool,
    /// The devices of ours that pods hold.
    pub held: BTreeSet<Held>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    #[error("no answer within {}s", LIMIT.as_secs())]
    Silent,
    #[error("{0}")]
    Dial(#[from] DialError),
    #[error("{}", .0.message())]
    Status(Box<tonic::Status>),
}

impl ListError {
    /// There is no such socket: no kubelet was ever here, or it has no such interface.
    #[must_use]
    pub(crate) fn is_nobody(&self) -> bool {
        matches!(self, Self::Dial(DialError::Connect(error)) if error.kind() == std::io::ErrorKind::NotFound)
    }
}

/// What pods hold, as the kubelet at `socket` knows it.
pub(crate) async fn list(socket: &Path) -> Result<List, ListError> {
    tokio::time::timeout(LIMIT, ask(socket)).await.map_err(|_| ListError::Silent)?
}

/// Whether the kubelet at `socket` counts a healthy device of `resource`: of a plugin that it takes to be there.
pub(crate) async fn is_offered(socket: &Path, resource: &ResourceName) -> Result<bool, ListError> {
    let ask = async {
        let answer =
            client(socket).await?.get_allocatable_resources(AllocatableResourcesRequest {}).await;
        Ok(answer.map_err(|status| ListError::Status(Box::new(status)))?.into_inner())
    };
    let answer = tokio::time::timeout(LIMIT, ask).await.map_err(|_| ListError::Silent)?;
    let name = resource.to_string();
    let of_resource = |devices: &ContainerDevices| {
        devices.resource_name == name && !devices.device_ids.is_empty()
    };
    answer.map(|list: AllocatableResourcesResponse| list.devices.iter().any(of_resource))
}

async fn client(socket: &Path) -> Result<PodResourcesListerClient<Channel>, ListError> {
    let channel = dial(socket).await?;
    Ok(PodResourcesListerClient::new(channel).max_decoding_message_size(LONGEST))
}

async fn ask(socket: &Path) -> Result<List, ListError> {
    let mut client = client(socket).await?;
    let answer = client.list(ListPodResourcesRequest {}).await;
    Ok(read(answer.map_err(|status| ListError::Status(Box::new(status)))?.into_inner()))
}

/// Names of others' resources are left out.
fn read(list: ListPodResourcesResponse) -> List {
    let has_pods = !list.pod_resources.is_empty();
    let containers = list.pod_resources.into_iter().flat_map(|pod| pod.containers);
    let devices = containers.flat_map(|container| container.devices);
    let ours = devices.filter_map(|devices| {
        let resource: ResourceName = devices.resource_name.parse().ok()?;
        Some(devices.device_ids.into_iter().map(move |id| Held { resource: resource.clone(), id }))
    });
    List { has_pods, held: ours.flatten().collect() }
}

#[cfg(test)]
mod tests {
    use kubelet_api::podresources::v1::{ContainerResources, PodResources};

    use super::*;

    #[test]
    fn devices_of_our_resources_count() {
        let region = "fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6";
        let container = |devices: &[(&str, &[&str])]| ContainerResources {
            name: "c".to_owned(),
            devices: devices
                .iter()
                .map(|(resource, ids)| ContainerDevices {
                    resource_name: (*resource).to_owned(),
                    device_ids: ids.iter().map(|&id| id.to_owned()).collect(),
                })
                .collect(),
        };
        let pod = |containers| PodResources {
            name: "p".to_owned(),
            namespace: "n".to_owned(),
            containers,
        };
        let list = ListPodResourcesResponse {
            pod_resources: vec![
                pod(vec![container(&[(region, &["dfl-fme.0", "dfl-fme.1"])]), container(&[])]),
                pod(vec![container(&[
                    (region, &["dfl-fme.1"]),
                    ("fpga.intel.com/af-f7df405cbd7acf7222f144b0b93acd18", &["dfl-port.0"]),
                    ("nvidia.com/gpu", &["x"]),
                ])]),
            ],
        };
        let List { has_pods, held } = read(list);
        let ids: Vec<_> = held.into_iter().map(|device| device.id).collect();
        assert_eq!(
            (has_pods, ids),
            (true, ["dfl-port.0", "dfl-fme.0", "dfl-fme.1"].map(str::to_owned).to_vec())
        );
        let unknown = ListPodResourcesResponse { pod_resources: Vec::new() };
        assert_eq!(read(unknown), List { has_pods: false, held: BTreeSet::new() });
    }
}
