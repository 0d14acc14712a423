//! The question to the kubelet: which devices do pods hold?

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use fpga::names::{Named, ResourceName};
use kubelet_api::podresources::v1::pod_resources_lister_client::PodResourcesListerClient;
use kubelet_api::podresources::v1::{ListPodResourcesRequest, ListPodResourcesResponse};

use super::dial::{DialError, dial};

/// How long the kubelet may take to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// What an answer may take at most: the kubelet's own clients allow as much
/// (`pkg/kubelet/apis/podresources/client.go`).
const LONGEST: usize = 16 << 20;

/// A device of one of our resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Held {
    pub resource: String,
    pub id: String,
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

/// The region devices that pods hold, as the kubelet at `socket` knows it.
pub(crate) async fn list(socket: &Path) -> Result<BTreeSet<Held>, ListError> {
    tokio::time::timeout(LIMIT, ask(socket)).await.map_err(|_| ListError::Silent)?
}

async fn ask(socket: &Path) -> Result<BTreeSet<Held>, ListError> {
    let channel = dial(socket).await?;
    let mut client = PodResourcesListerClient::new(channel).max_decoding_message_size(LONGEST);
    let answer = client.list(ListPodResourcesRequest {}).await;
    Ok(held(answer.map_err(|status| ListError::Status(Box::new(status)))?.into_inner()))
}

fn held(list: ListPodResourcesResponse) -> BTreeSet<Held> {
    let containers = list.pod_resources.into_iter().flat_map(|pod| pod.containers);
    let devices = containers.flat_map(|container| container.devices);
    let ours = devices.filter(|devices| is_region(&devices.resource_name));
    ours.flat_map(|devices| {
        let resource = devices.resource_name;
        devices.device_ids.into_iter().map(move |id| Held { resource: resource.clone(), id })
    })
    .collect()
}

fn is_region(resource: &str) -> bool {
    let name = resource.parse::<ResourceName>();
    name.is_ok_and(|name| matches!(name.named(), Named::Region(_)))
}

#[cfg(test)]
mod tests {
    use kubelet_api::podresources::v1::{ContainerDevices, ContainerResources, PodResources};

    use super::*;

    #[test]
    fn only_regions_count() {
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
        let ids: Vec<_> = held(list).into_iter().map(|device| device.id).collect();
        assert_eq!(ids, ["dfl-fme.0", "dfl-fme.1"]);
    }
}
