//! One resource's life: its socket, its server, its registration. Each resource has its own, and
//! none waits for another.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fpga::names::ResourceName;
use fpga_cluster::backoff::Backoff;
use fpga_cluster::told::Told;
use kubelet_api::v1beta1::device_plugin_server::DevicePluginServer;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

use crate::holdings::Holdings;
use crate::kubelet::directory::{Seen, Sockets};
use crate::kubelet::socket::{BindError, Endpoint, LONGEST_PATH};
use crate::metrics::Metrics;
use crate::orphans::Orphans;
use crate::plugin::handout::Handout;
use crate::plugin::lists::Streams;
use crate::plugin::service::Plugin;
use crate::plugin::target::Target;
use crate::status::{Phase, Status};
use predecessor::SETTLED;
use register::register;

pub(crate) use predecessor::Predecessor;

mod predecessor;
mod register;

/// How long the kubelet may take to answer Register.
const REGISTER_LIMIT: Duration = Duration::from_secs(10);
/// How long the kubelet may take to ask for the list after it has registered a resource.
const LIST_LIMIT: Duration = Duration::from_secs(10);
/// How long a withdrawn resource waits for its last list to be taken.
const RETIRE_LIMIT: Duration = Duration::from_secs(1);
/// The first wait is short because a starting kubelet makes its socket before it listens.
const FIRST_RETRY: Duration = Duration::from_millis(10);
const SLOWEST_RETRY: Duration = Duration::from_secs(5);
/// Connections that were accepted and not yet served.
const PENDING_CONNECTIONS: usize = 16;

/// A resource that is to be offered.
#[derive(Debug)]
pub(crate) struct Resource {
    pub name: ResourceName,
    /// What is done when a region is handed out.
    pub handout: Handout,
    /// Where it is noted what is given.
    pub holdings: Holdings,
    /// Which kubelet has been asked what is held, and what is offered is in line with it.
    pub cleared: watch::Receiver<Option<u64>>,
    /// Where the sockets are.
    pub sockets: Sockets,
    /// What happens to them.
    pub seen: watch::Receiver<Seen>,
    /// Who offered it before.
    pub predecessor: Predecessor,
    /// What to offer, and when to end.
    pub target: watch::Receiver<Target>,
    /// Where progress is shown.
    pub status: Status,
    /// Where it is counted.
    pub metrics: Metrics,
    /// Where it is noted if the sockets' directory was removed behind its mount.
    pub orphans: Orphans,
}

/// Offers a resource until its target says otherwise.
#[tracing::instrument(name = "resource", skip_all, fields(resource = %resource.name))]
pub(crate) async fn run(resource: Resource) {
    resource.status.set(&resource.name, Phase::Starting);
    let (name, status, mut target) =
        (resource.name.clone(), resource.status.clone(), resource.target.clone());
    let metrics = resource.metrics.clone();
    let mut life = Life::start(resource);
    let ended = tokio::select! {
        // First, so that the streams that end by it are not taken for the kubelet's doing.
        biased;
        ended = target.wait_for(|target| !matches!(target, Target::Serve(..))) => {
            ended.map_or(Target::Stop, |target| target.clone())
        }
        never = life.keep() => match never {},
    };
    if ended == Target::Retire {
        // When the agent ends, whoever takes over waits for it.
        tokio::select! {
            () = life.retire() => {}
            () = stopped(&mut target) => {}
        }
    }
    life.end();
    status.remove(&name);
    metrics.withdrawn(&name);
    if ended == Target::Retire {
        // Whoever registers the name next must not be taken for this one.
        let _ = tokio::time::timeout(SETTLED, stopped(&mut target)).await;
    }
}

/// Waits until the agent is to end.
async fn stopped(target: &mut watch::Receiver<Target>) {
    // Fails when whoever says so is gone.
    let _ = target.wait_for(|target| *target == Target::Stop).await;
}

struct Life {
    resource: Resource,
    socket: PathBuf,
    endpoint: Option<Endpoint>,
    connections: mpsc::Sender<io::Result<UnixStream>>,
    streams: watch::Receiver<Streams>,
    server: JoinHandle<()>,
    /// Until it is sent.
    close: Option<oneshot::Sender<()>>,
    registration: Option<Registration>,
    /// It was registered before, so that there is no predecessor to wait for.
    is_known: bool,
    retry: Backoff,
    /// What was last logged as being in the way, so that each retry is not logged again.
    trouble: Told,
    /// The kubelet registers the resource and then forgets about it.
    unlisted: bool,
}

/// A registration that the kubelet accepted.
#[derive(Debug, Clone, Copy)]
struct Registration {
    at: Instant,
    /// Which kubelet: [`Seen::kubelet`] at that time.
    kubelet: u64,
    /// [`Streams::opened`] before it, which tells the kubelet's stream from earlier ones.
    opened: u64,
}

impl Life {
    fn start(resource: Resource) -> Self {
        let (connections, incoming) = mpsc::channel(PENDING_CONNECTIONS);
        let (close, closed) = oneshot::channel();
        let streams = watch::Sender::new(Streams::default());
        let watching = streams.subscribe();
        let plugin = Plugin::new(
            resource.name.clone(),
            resource.holdings.clone(),
            resource.handout.clone(),
            resource.target.clone(),
            streams,
            resource.metrics.clone(),
        );
        let server = tokio::spawn(serve(plugin, ReceiverStream::new(incoming), closed));
        Self {
            socket: resource.sockets.directory.join(resource.name.socket_name()),
            resource,
            endpoint: None,
            connections,
            streams: watching,
            server,
            close: Some(close),
            registration: None,
            is_known: false,
            retry: Backoff::new(FIRST_RETRY, SLOWEST_RETRY),
            trouble: Told::default(),
            unlisted: false,
        }
    }

    /// Keeps the socket bound and the resource registered, forever.
    async fn keep(&mut self) -> Infallible {
        if let Some(reason) = self.cannot_ever() {
            self.report(reason);
            return std::future::pending().await;
        }
        loop {
            let seen = *self.resource.seen.borrow_and_update();
            let streams = *self.streams.borrow_and_update();
            let outcome = match self.bind(streams) {
                Err(error) => {
                    self.resource.orphans.check(&self.resource.sockets.directory);
                    Err(error.to_string())
                }
                Ok(()) => match self.standing(seen, streams) {
                    Some(Ok(registration)) => self.stay(registration, streams).await,
                    Some(Err(reason)) => Err(reason),
                    None => self.register(seen, streams).await,
                },
            };
            if let Err(reason) = outcome {
                self.report(reason);
                self.pause(seen).await;
            }
        }
    }

    fn cannot_ever(&self) -> Option<String> {
        let length = self.socket.as_os_str().len();
        let message = || {
            format!(
                "{} cannot be offered: its socket path {} has {length} bytes and a unix socket can have \
                 {LONGEST_PATH}; choose a shorter --socket-dir",
                self.resource.name,
                self.socket.display()
            )
        };
        (length > LONGEST_PATH).then(message)
    }

    /// Makes sure that the socket is there. A kubelet that has its stream needs nothing more; one
    /// that may just be dialling the old socket is asked again.
    fn bind(&mut self, streams: Streams) -> Result<(), BindError> {
        if self.endpoint.as_ref().is_some_and(Endpoint::is_intact) {
            return Ok(());
        }
        self.endpoint = None;
        self.endpoint = Some(Endpoint::bind(&self.socket, self.connections.clone())?);
        if streams.open == 0 {
            self.registration = None;
        }
        tracing::info!("device-plugin start server at: {}", self.socket.display());
        Ok(())
    }

    /// The registration if it is good, why it is lost, or `None` when there is none.
    fn standing(&mut self, seen: Seen, streams: Streams) -> Option<Result<Registration, String>> {
        let registration = self.registration?;
        if registration.kubelet != seen.kubelet {
            self.registration = None;
            self.retry.reset();
            return None;
        }
        if streams.opened == registration.opened || streams.open > 0 {
            return Some(Ok(registration));
        }
        self.registration = None;
        if registration.at.elapsed() > SLOWEST_RETRY {
            self.retry.reset();
        }
        Some(Err("the kubelet closed its stream of devices".to_owned()))
    }

    /// Registers, unless the circumstances change meanwhile.
    async fn register(&mut self, seen: Seen, streams: Streams) -> Result<(), String> {
        let (kubelet, name) = (&self.resource.sockets.kubelet, &self.resource.name);
        let cleared = &mut self.resource.cleared;
        let first = (!self.is_known).then_some(&self.resource.predecessor);
        let call = async {
            // Fails when the agent ends.
            let _ = cleared.wait_for(|asked| *asked >= Some(seen.kubelet)).await;
            if let Some(predecessor) = first {
                predecessor.gone(name).await;
            }
            register(kubelet, name, REGISTER_LIMIT).await
        };
        let endpoint = &self.endpoint;
        let outdated = |now: &Seen| {
            now.kubelet != seen.kubelet || !endpoint.as_ref().is_some_and(Endpoint::is_intact)
        };
        tokio::select! {
            result = call => result.map_err(|error| error.to_string())?,
            _ = self.resource.seen.wait_for(outdated) => {
                self.retry.reset();
                return Ok(());
            }
        }
        self.is_known = true;
        self.resource.metrics.registered(&self.resource.name);
        self.registration = Some(Registration {
            at: Instant::now(),
            kubelet: seen.kubelet,
            opened: streams.opened,
        });
        if self.unlisted {
            tracing::debug!("device-plugin registered again");
        } else {
            self.trouble.clear();
            self.resource.status.set(&self.resource.name, Phase::Registered);
            tracing::info!("device-plugin registered");
        }
        Ok(())
    }

    /// Waits for something to happen to a good registration.
    async fn stay(&mut self, registration: Registration, streams: Streams) -> Result<(), String> {
        let listed = streams.opened != registration.opened;
        if listed && self.unlisted {
            self.unlisted = false;
            self.trouble.clear();
            self.resource.status.set(&self.resource.name, Phase::Registered);
        }
        let limit = tokio::time::Instant::from_std(registration.at + LIST_LIMIT);
        tokio::select! {
            _ = self.resource.seen.changed() => Ok(()),
            _ = self.streams.changed() => Ok(()),
            () = tokio::time::sleep_until(limit), if !listed => {
                self.unlisted = true;
                self.registration = None;
                Err(format!("the kubelet registered it but did not ask for its devices within {}s", LIST_LIMIT.as_secs()))
            }
        }
    }

    /// Waits for the next attempt: until something happens to the sockets, or a while.
    async fn pause(&mut self, seen: Seen) {
        let delay = self.retry.delay();
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = self.resource.seen.wait_for(|now| *now != seen) => self.retry.reset(),
        }
    }

    fn report(&mut self, reason: String) {
        if self.trouble.is_news(reason.clone()) {
            tracing::warn!("{reason}");
            self.resource.status.set(&self.resource.name, Phase::Waiting(reason));
        } else {
            tracing::debug!("still: {reason}");
        }
    }

    /// Waits until the kubelet has taken the empty list of a withdrawn resource, and not for one that does not read.
    async fn retire(&mut self) {
        let taken = self.streams.wait_for(|streams| streams.open == 0);
        let _ = tokio::time::timeout(RETIRE_LIMIT, taken).await;
        if let Some(close) = self.close.take() {
            let _ = close.send(());
        }
        let _ = tokio::time::timeout(RETIRE_LIMIT, &mut self.server).await;
    }

    /// Ends the server and removes the socket.
    fn end(self) {
        self.server.abort();
        if let Some(endpoint) = self.endpoint {
            endpoint.remove();
        }
        tracing::info!("device-plugin stop server at: {}", self.socket.display());
    }
}

async fn serve(
    plugin: Plugin,
    connections: ReceiverStream<io::Result<UnixStream>>,
    closed: oneshot::Receiver<()>,
) {
    let closed = async {
        // Either way there is nobody left to serve for.
        let _ = closed.await;
    };
    let service = DevicePluginServer::new(plugin);
    if let Err(error) =
        Server::builder().serve_with_incoming_shutdown(service, connections, closed).await
    {
        tracing::error!("device-plugin server failed: {error}");
    }
}
