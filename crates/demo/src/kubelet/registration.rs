//! The `v1beta1.Registration` service on the kubelet's socket.

use std::sync::{Arc, Mutex};

use kubelet_api::DEVICE_PLUGIN_VERSION;
use kubelet_api::v1beta1::registration_server::{Registration, RegistrationServer};
use kubelet_api::v1beta1::{Empty, RegisterRequest};
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::connection::{Clients, Plugin};
use super::{Shared, What, connection};

/// Serves until `stop` is sent or dropped, then ends the streams to the plugins too.
pub(super) async fn serve(
    listener: UnixListener,
    shared: Arc<Shared>,
    stop: oneshot::Receiver<()>,
) {
    let plugins = Plugins::default();
    // The server's connections are tasks that outlive it, and they hold the service.
    let _ending = AbortOnDrop(plugins.clone());
    let service = Service { shared, clients: Clients::default(), plugins };
    let serving = Server::builder()
        .add_service(RegistrationServer::new(service))
        .serve_with_incoming(UnixListenerStream::new(listener));
    tokio::select! {
        _ = serving => {}
        _ = stop => {}
    }
}

/// The tasks that follow the plugins' lists.
#[derive(Clone, Default)]
struct Plugins(Arc<Mutex<JoinSet<()>>>);

/// Ends the streams to the plugins with the server.
struct AbortOnDrop(Plugins);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Ok(mut plugins) = self.0.0.lock() {
            plugins.abort_all();
        }
    }
}

struct Service {
    shared: Arc<Shared>,
    clients: Clients,
    plugins: Plugins,
}

#[tonic::async_trait]
impl Registration for Service {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<Empty>, Status> {
        if self.shared.manners.never_answers {
            std::future::pending::<()>().await;
        }
        let RegisterRequest { version, endpoint, resource_name, options } = request.into_inner();
        if version != DEVICE_PLUGIN_VERSION {
            return Err(Status::invalid_argument(format!("unsupported version {version:?}")));
        }
        check_resource_name(&resource_name).map_err(Status::invalid_argument)?;
        if endpoint.is_empty() || endpoint.contains('/') {
            return Err(Status::invalid_argument(format!(
                "endpoint {endpoint:?} is not a file name"
            )));
        }
        let mut closed = self.clients.enter(&resource_name);
        let asked = async {
            let mut client = connection::dial(&self.shared.directory.join(&endpoint)).await;
            if let Ok(client) = &mut client {
                client.get_device_plugin_options(Empty {}).await?;
            }
            client.map_err(|error| Status::unknown(error.to_string()))
        };
        let client = tokio::select! {
            client = asked => client.inspect_err(|_| { self.clients.disconnect(&resource_name); })?,
            _ = &mut closed => return Err(Status::unknown("the client connection is closing")),
        };
        self.shared.state.send_modify(|state| {
            let preferences = options.is_some_and(|o| o.get_preferred_allocation_available);
            state.node.register(&resource_name, &endpoint, preferences);
            state.record(&resource_name, What::Registered { endpoint: endpoint.clone() });
        });
        if !self.shared.manners.never_watches {
            let plugin = Plugin { resource: resource_name, client, closed };
            let run = connection::run(Arc::clone(&self.shared), self.clients.clone(), plugin);
            if let Ok(mut plugins) = self.plugins.0.lock() {
                while plugins.try_join_next().is_some() {}
                plugins.spawn(run);
            }
        }
        Ok(Response::new(Empty {}))
    }
}

/// The rule for extended resources (k8s.io/kubernetes `pkg/apis/core/v1/helper`): a domain that is not
/// `kubernetes.io`, a slash and a qualified name of at most 63 characters.
fn check_resource_name(name: &str) -> Result<(), String> {
    let fail = |why: &str| Err(format!("the ResourceName {name:?} is invalid: {why}"));
    let Some((domain, kind)) = name.split_once('/') else {
        return fail("no domain");
    };
    if domain.is_empty() || domain.ends_with("kubernetes.io") {
        return fail("the domain is reserved or empty");
    }
    let alphanumeric = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if kind.len() > 63
        || !kind.chars().all(allowed)
        || !alphanumeric(kind.chars().next())
        || !alphanumeric(kind.chars().last())
    {
        return fail("the name part is no qualified name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_resource_name;

    #[test]
    fn names_are_checked_as_the_api_server_does() {
        check_resource_name("fpga.intel.com/af-f7df405cbd7acf7222f144b0b93acd18").unwrap();
        for bad in ["af", "/af", "kubernetes.io/af", "d/-a", "d/a-", "d/", "d/a/b"] {
            check_resource_name(bad).unwrap_err();
        }
        check_resource_name(&format!("d/{}", "a".repeat(63))).unwrap();
        check_resource_name(&format!("d/{}", "a".repeat(64))).unwrap_err();
    }
}
