//! The kubelet's pod resources interface, as far as the stand-in's containers go: each is a pod with one
//! container.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kubelet_api::HEALTHY;
use kubelet_api::podresources::v1::pod_resources_lister_server::{
    PodResourcesLister, PodResourcesListerServer,
};
use kubelet_api::podresources::v1::{
    AllocatableResourcesRequest, AllocatableResourcesResponse, ContainerDevices,
    ContainerResources, ListPodResourcesRequest, ListPodResourcesResponse, PodResources,
};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::devices::Node;
use super::{Kubelet, Shared};

/// A running server of the interface. Dropping it is a kill: the socket stays on disk.
#[derive(Debug)]
pub struct PodResourcesServer {
    asked: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Kubelet {
    /// Tells at `socket` which container holds which device, as the real kubelet does at
    /// `/var/lib/kubelet/pod-resources/kubelet.sock`. A socket that is there is replaced.
    ///
    /// # Errors
    /// When the directory cannot be made or the socket cannot be bound.
    pub fn serve_pod_resources(&self, socket: &Path) -> io::Result<PodResourcesServer> {
        if let Some(directory) = socket.parent() {
            std::fs::create_dir_all(directory)?;
        }
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListenerStream::new(UnixListener::bind(socket)?);
        let asked = Arc::new(AtomicUsize::new(0));
        let lister = Lister { shared: Arc::clone(&self.shared), asked: Arc::clone(&asked) };
        let server = Server::builder().add_service(PodResourcesListerServer::new(lister));
        let server = tokio::spawn(async move {
            // A listener that fails is like a kubelet that died.
            let _ = server.serve_with_incoming(listener).await;
        });
        Ok(PodResourcesServer { asked, server })
    }
}

impl PodResourcesServer {
    /// How often List was called.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for PodResourcesServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Lister {
    shared: Arc<Shared>,
    asked: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl PodResourcesLister for Lister {
    async fn list(
        &self,
        _: Request<ListPodResourcesRequest>,
    ) -> Result<Response<ListPodResourcesResponse>, Status> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(Response::new(list(&self.shared.state.borrow().node)))
    }

    async fn get_allocatable_resources(
        &self,
        _: Request<AllocatableResourcesRequest>,
    ) -> Result<Response<AllocatableResourcesResponse>, Status> {
        Ok(Response::new(allocatable(&self.shared.state.borrow().node)))
    }
}

/// The healthy devices of plugins that are there, one entry for each.
fn allocatable(node: &Node) -> AllocatableResourcesResponse {
    let there = node.resources.iter().filter(|(_, resource)| resource.connected);
    let devices = there.flat_map(|(name, resource)| {
        let healthy = resource.devices.values().filter(|device| device.health == HEALTHY);
        healthy.map(|device| ContainerDevices {
            resource_name: name.clone(),
            device_ids: vec![device.id.clone()],
        })
    });
    AllocatableResourcesResponse { devices: devices.collect() }
}

/// One entry for each device, as the real kubelet has it.
fn list(node: &Node) -> ListPodResourcesResponse {
    let mut pods: BTreeMap<&str, Vec<ContainerDevices>> =
        node.pods.iter().map(|name| (name.as_str(), Vec::new())).collect();
    for (name, resource) in &node.resources {
        for (device, holder) in &resource.allocated {
            pods.entry(holder).or_default().push(ContainerDevices {
                resource_name: name.clone(),
                device_ids: vec![device.clone()],
            });
        }
    }
    let pod = |(name, devices): (&str, _)| PodResources {
        name: name.to_owned(),
        namespace: "default".to_owned(),
        containers: vec![ContainerResources { name: "main".to_owned(), devices }],
    };
    ListPodResourcesResponse { pod_resources: pods.into_iter().map(pod).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubelet::Resource;

    #[test]
    fn devices_are_shown_with_their_holders() {
        let resource = |allocated: &[(&str, &str)]| Resource {
            allocated: allocated.iter().map(|(d, h)| ((*d).to_owned(), (*h).to_owned())).collect(),
            ..Resource::default()
        };
        let resources = [
            ("d/one".to_owned(), resource(&[("a", "pod-1"), ("b", "pod-2")])),
            ("d/two".to_owned(), resource(&[("c", "pod-1")])),
        ];
        let shown: Vec<_> = list(&Node { resources: resources.into(), ..Node::default() })
            .pod_resources
            .into_iter()
            .flat_map(|pod| {
                let devices = pod.containers.into_iter().flat_map(|container| container.devices);
                devices
                    .map(|d| format!("{} {} {}", pod.name, d.resource_name, d.device_ids.join(",")))
                    .collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(shown, ["pod-1 d/one a", "pod-1 d/two c", "pod-2 d/one b"]);
    }
}
