//! The stand-in kubelet keeps the real one's manners, seen from a plugin written for this test.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fpga_demo::kubelet::{AllocationError, Kubelet, Manners, SOCKET, What};
use hyper_util::rt::TokioIo;
use kubelet_api::v1beta1::device_plugin_server::{DevicePlugin, DevicePluginServer};
use kubelet_api::v1beta1::registration_client::RegistrationClient;
use kubelet_api::v1beta1::{
    AllocateRequest, AllocateResponse, ContainerAllocateResponse,
    ContainerPreferredAllocationResponse, Device, DevicePluginOptions, Empty, ListAndWatchResponse,
    PreStartContainerRequest, PreStartContainerResponse, PreferredAllocationRequest,
    PreferredAllocationResponse, RegisterRequest,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_stream::wrappers::{UnixListenerStream, WatchStream};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};

const LIMIT: Duration = Duration::from_secs(30);
const RESOURCE: &str = "example.com/thing";

/// Prefers the last of what is available, and names the devices it was asked for in an annotation.
struct Plugin(watch::Receiver<ListAndWatchResponse>);

#[tonic::async_trait]
impl DevicePlugin for Plugin {
    type ListAndWatchStream =
        std::pin::Pin<Box<dyn Stream<Item = Result<ListAndWatchResponse, Status>> + Send>>;

    async fn get_device_plugin_options(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<DevicePluginOptions>, Status> {
        Ok(Response::new(options()))
    }

    async fn list_and_watch(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<Self::ListAndWatchStream>, Status> {
        Ok(Response::new(Box::pin(WatchStream::new(self.0.clone()).map(Ok))))
    }

    async fn get_preferred_allocation(
        &self,
        request: Request<PreferredAllocationRequest>,
    ) -> Result<Response<PreferredAllocationResponse>, Status> {
        let requests = request.into_inner().container_requests;
        let answers = requests.into_iter().map(|r| ContainerPreferredAllocationResponse {
            device_ids: r
                .available_device_ids
                .into_iter()
                .rev()
                .take(usize::try_from(r.allocation_size).unwrap())
                .collect(),
        });
        Ok(Response::new(PreferredAllocationResponse { container_responses: answers.collect() }))
    }

    async fn allocate(
        &self,
        request: Request<AllocateRequest>,
    ) -> Result<Response<AllocateResponse>, Status> {
        let answers = request.into_inner().container_requests.into_iter().map(|r| {
            ContainerAllocateResponse {
                annotations: [("devices".to_owned(), r.device_ids.join(","))].into(),
                ..Default::default()
            }
        });
        Ok(Response::new(AllocateResponse { container_responses: answers.collect() }))
    }

    async fn pre_start_container(
        &self,
        _: Request<PreStartContainerRequest>,
    ) -> Result<Response<PreStartContainerResponse>, Status> {
        Err(Status::unimplemented("not used"))
    }
}

fn options() -> DevicePluginOptions {
    DevicePluginOptions { pre_start_required: false, get_preferred_allocation_available: true }
}

fn list(devices: &[(&str, &str)]) -> ListAndWatchResponse {
    let device = |&(id, health): &(&str, &str)| Device {
        id: id.into(),
        health: health.into(),
        topology: None,
    };
    ListAndWatchResponse { devices: devices.iter().map(device).collect() }
}

/// Serves a plugin on `directory/name`; it ends when the returned handle is aborted.
fn serve(
    directory: &Path,
    name: &str,
    lists: watch::Receiver<ListAndWatchResponse>,
) -> tokio::task::AbortHandle {
    let listener = UnixListener::bind(directory.join(name)).unwrap();
    let server = Server::builder()
        .add_service(DevicePluginServer::new(Plugin(lists)))
        .serve_with_incoming(UnixListenerStream::new(listener));
    tokio::spawn(server).abort_handle()
}

async fn register(directory: &Path, request: RegisterRequest) -> Result<(), Status> {
    let path = directory.join(SOCKET);
    let connector = tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let channel =
        Endpoint::from_static("http://localhost").connect_with_connector(connector).await.unwrap();
    RegistrationClient::new(channel).register(request).await.map(drop)
}

fn request() -> RegisterRequest {
    RegisterRequest {
        version: "v1beta1".into(),
        endpoint: "thing.sock".into(),
        resource_name: RESOURCE.into(),
        options: Some(options()),
    }
}

fn annotation(responses: &[ContainerAllocateResponse]) -> &str {
    &responses[0].annotations["devices"]
}

#[tokio::test]
async fn lists_allocates_and_releases() {
    let directory = tempfile::tempdir().unwrap();
    let kubelet = Kubelet::start(directory.path()).unwrap();
    let (lists, receiver) =
        watch::channel(list(&[("a", "Healthy"), ("b", "Healthy"), ("c", "Unhealthy")]));
    serve(directory.path(), "thing.sock", receiver);
    register(directory.path(), request()).await.unwrap();
    let node = kubelet.wait_for(LIMIT, |n| n.allocatable(RESOURCE) == 2).await.unwrap();
    assert_eq!(node.capacity(RESOURCE), 3);

    let one = BTreeMap::from([(RESOURCE.to_owned(), 1)]);
    assert_eq!(
        annotation(&kubelet.allocate("first", &one).await.unwrap()),
        "b",
        "the plugin's preference"
    );
    assert_eq!(annotation(&kubelet.allocate("second", &one).await.unwrap()), "a");
    let error = kubelet.allocate("third", &one).await.unwrap_err();
    assert!(matches!(error, AllocationError::TooFew { available: 0, .. }), "{error}");
    kubelet.release("first");
    assert_eq!(annotation(&kubelet.allocate("third", &one).await.unwrap()), "b");

    lists.send(list(&[])).unwrap();
    kubelet.wait_for(LIMIT, |n| n.capacity(RESOURCE) == 0).await.unwrap();
    assert_eq!(kubelet.lists(RESOURCE).len(), 2);
}

#[tokio::test]
async fn a_plugin_that_goes_away_leaves_capacity_without_allocatable() {
    let directory = tempfile::tempdir().unwrap();
    let kubelet = Kubelet::start(directory.path()).unwrap();
    let (lists, receiver) = watch::channel(list(&[("a", "Healthy")]));
    serve(directory.path(), "thing.sock", receiver);
    register(directory.path(), request()).await.unwrap();
    kubelet.wait_for(LIMIT, |n| n.allocatable(RESOURCE) == 1).await.unwrap();
    drop(lists);
    let gone = kubelet.wait_for(LIMIT, |n| n.allocatable(RESOURCE) == 0).await.unwrap();
    assert_eq!(gone.capacity(RESOURCE), 1);
    let last =
        kubelet.wait_for_events(LIMIT, |e| e.last().is_some_and(|e| e.what == What::Gone)).await;
    assert!(last.is_some());
}

/// `runClient` in `plugin/v1beta1/handler.go` of the real one asks for the client by the resource's name when a stream
/// has ended, and disconnects whoever has the name by then.
#[tokio::test]
async fn who_registers_before_the_end_of_the_last_is_noticed_is_disconnected_instead() {
    let directory = tempfile::tempdir().unwrap();
    let manners = Manners { notices: Duration::from_millis(200), ..Manners::default() };
    let kubelet = Kubelet::start_with(directory.path(), manners).unwrap();
    let (first, receiver) = watch::channel(list(&[("a", "Healthy")]));
    serve(directory.path(), "thing.sock", receiver);
    register(directory.path(), request()).await.unwrap();
    kubelet.wait_for(LIMIT, |n| n.allocatable(RESOURCE) == 1).await.unwrap();
    drop(first);
    let (second, receiver) = watch::channel(list(&[("a", "Healthy"), ("b", "Healthy")]));
    serve(directory.path(), "second.sock", receiver);
    let early = RegisterRequest { endpoint: "second.sock".into(), ..request() };
    register(directory.path(), early.clone()).await.unwrap();
    kubelet.wait_for(LIMIT, |n| n.allocatable(RESOURCE) == 2).await.unwrap();
    // Then it is noticed.
    kubelet.wait_for(LIMIT, |n| n.allocatable(RESOURCE) == 0).await.unwrap();
    let is_closed = async {
        // The server's own receiver stays.
        while second.receiver_count() > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, is_closed).await.unwrap();
    let gone = |kubelet: &Kubelet| kubelet.events().iter().filter(|e| e.what == What::Gone).count();
    assert_eq!(gone(&kubelet), 1);

    // Once all is noticed, who registers is kept.
    tokio::time::sleep(3 * manners.notices).await;
    let (_third, receiver) = watch::channel(list(&[("a", "Healthy")]));
    serve(directory.path(), "third.sock", receiver);
    register(directory.path(), RegisterRequest { endpoint: "third.sock".into(), ..early })
        .await
        .unwrap();
    kubelet.wait_for(LIMIT, |n| n.allocatable(RESOURCE) == 1).await.unwrap();
    tokio::time::sleep(3 * manners.notices).await;
    assert_eq!((kubelet.node().allocatable(RESOURCE), gone(&kubelet)), (1, 1));
}

#[tokio::test]
async fn a_start_empties_the_directory_of_sockets_only() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("kubelet_internal_checkpoint"), "{}").unwrap();
    drop(UnixListener::bind(directory.path().join("old.sock")).unwrap());
    Kubelet::start(directory.path()).unwrap().stop().await;
    let left: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["kubelet_internal_checkpoint"]);
}

#[tokio::test]
async fn rejects_what_the_real_kubelet_rejects() {
    let directory = tempfile::tempdir().unwrap();
    let _kubelet = Kubelet::start(directory.path()).unwrap();
    for bad in [
        RegisterRequest { version: "v1alpha".into(), ..request() },
        RegisterRequest { resource_name: "no-domain".into(), ..request() },
        RegisterRequest { resource_name: format!("d/{}", "x".repeat(64)), ..request() },
        RegisterRequest { endpoint: "../thing.sock".into(), ..request() },
    ] {
        let status = register(directory.path(), bad).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}");
    }
}
