//! The kubelet's connection to one plugin's socket.

use std::path::Path;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use kubelet_api::v1beta1::Empty;
use kubelet_api::v1beta1::device_plugin_client::DevicePluginClient;
use tokio::net::UnixStream;
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

/// Follows ListAndWatch of a registered plugin until the stream ends.
pub(super) async fn run(shared: Arc<Shared>, resource: String, endpoint: String, generation: u64) {
    follow(&shared, &resource, &endpoint, generation).await;
    shared.state.send_modify(|state| {
        if state.node.gone(&resource, generation) {
            state.record(&resource, What::Gone);
        }
    });
}

async fn follow(shared: &Shared, resource: &str, endpoint: &str, generation: u64) {
    let Ok(mut client) = dial(&shared.directory.join(endpoint)).await else { return };
    let Ok(stream) = client.list_and_watch(Empty {}).await else { return };
    let mut stream = stream.into_inner();
    while let Ok(Some(list)) = stream.message().await {
        shared.state.send_modify(|state| {
            if state.node.update(resource, generation, &list.devices) {
                state.record(resource, What::List(list.devices));
            }
        });
    }
}
