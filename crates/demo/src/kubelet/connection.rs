//! The kubelet's connection to one plugin's socket.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper_util::rt::TokioIo;
use kubelet_api::v1beta1::Empty;
use kubelet_api::v1beta1::device_plugin_client::DevicePluginClient;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use super::{Shared, What};

/// Dials a plugin's socket. The authority is `localhost`, as the kubelet's (Kubernetes 1.26 and later).
pub(super) async fn dial(
    socket: &Path,
) -> Result<DevicePluginClient<Channel>, tonic::transport::Error> {
    let path = socket.to_owned();
    let connector = service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let channel =
        Endpoint::from_static("http://localhost").connect_with_connector(connector).await?;
    Ok(DevicePluginClient::new(channel))
}

/// Whoever has each resource's name. Dropping a sender closes the connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Clients(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    named: BTreeMap<String, oneshot::Sender<()>>,
    /// Those that lost their names to others; their streams are read on.
    replaced: Vec<oneshot::Sender<()>>,
}

impl Clients {
    /// Gives a name to whoever registers, before it is dialled.
    pub(super) fn enter(&self, resource: &str) -> oneshot::Receiver<()> {
        let (close, closed) = oneshot::channel();
        let mut state = self.lock();
        let before = state.named.insert(resource.to_owned(), close);
        state.replaced.retain(|replaced| !replaced.is_closed());
        state.replaced.extend(before);
        closed
    }

    /// Takes the name from whoever has it, and closes its connection; false when nobody has it.
    pub(super) fn disconnect(&self, resource: &str) -> bool {
        self.lock().named.remove(resource).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A plugin that answered.
#[derive(Debug)]
pub(super) struct Plugin {
    pub resource: String,
    pub client: DevicePluginClient<Channel>,
    /// When the kubelet closes the connection.
    pub closed: oneshot::Receiver<()>,
}

/// Follows ListAndWatch of a registered plugin until the stream ends, and disconnects whoever has the name then: as
/// `runClient` in `plugin/v1beta1/handler.go`, which asks for the client by the name again.
pub(super) async fn run(shared: Arc<Shared>, clients: Clients, plugin: Plugin) {
    let Plugin { resource, client, closed } = plugin;
    tokio::select! {
        () = follow(&shared, &resource, client) => {}
        _ = closed => {}
    }
    tokio::time::sleep(shared.manners.notices).await;
    if clients.disconnect(&resource) {
        shared.state.send_modify(|state| {
            state.node.gone(&resource);
            state.record(&resource, What::Gone);
        });
    }
}

async fn follow(shared: &Shared, resource: &str, mut client: DevicePluginClient<Channel>) {
    let Ok(stream) = client.list_and_watch(Empty {}).await else { return };
    let mut stream = stream.into_inner();
    while let Ok(Some(list)) = stream.message().await {
        shared.state.send_modify(|state| {
            state.node.update(resource, &list.devices);
            state.record(resource, What::List(list.devices));
        });
    }
}
