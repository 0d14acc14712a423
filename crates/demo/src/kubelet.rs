//! A stand-in for the kubelet's device manager: the same protocol, the same habits.
//!
//! What it keeps of the real one (k8s.io/kubernetes, `pkg/kubelet/cm/devicemanager`, with `plugin/v1beta1`): at start it
//! empties the plugin directory of sockets and makes its own; whoever registers is dialled and asked for its options
//! before the answer, and for its devices after; a second registration of a resource replaces the first, whose stream is
//! read on; when any stream of a resource ends, whoever has the name *at the time that this is noticed* is disconnected,
//! its devices stay in the capacity and leave the allocatable; preferences are asked for
//! when there is a choice; a container is given devices that are healthy and free.

mod connection;
mod devices;
mod podresources;
mod registration;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kubelet_api::v1beta1::{ContainerAllocateResponse, Device};
use tokio::net::UnixListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

pub use devices::{AllocationError, Node, Resource};
pub use podresources::PodResourcesServer;

/// File name of the kubelet's own socket.
pub const SOCKET: &str = "kubelet.sock";

/// How a [`Kubelet`] treats its plugins; the default is the real one's way.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// Accept registrations and never call ListAndWatch.
    pub never_watches: bool,
    /// Accept connections and never answer Register.
    pub never_answers: bool,
    /// How long after its end a plugin's stream is found to have ended.
    pub notices: Duration,
}

impl Default for Manners {
    /// A registration two milliseconds after the end of the last endpoint was seen to be taken for the old one.
    fn default() -> Self {
        Self { never_watches: false, never_answers: false, notices: Duration::from_millis(5) }
    }
}

/// Something that a plugin did, with the moment at which it arrived.
#[derive(Debug, Clone)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// The resource.
    pub resource: String,
    /// What.
    pub what: What,
}

/// The kinds of [`Event`].
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Register was called with this endpoint.
    Registered {
        /// File name of the plugin's socket.
        endpoint: String,
    },
    /// A list of devices arrived.
    List(Vec<Device>),
    /// The plugin was disconnected: its stream ended, or an earlier one of the resource.
    Gone,
}

/// What the server's tasks and the owner share.
#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    manners: Manners,
    state: watch::Sender<State>,
}

/// Everything learnt since the start, in one value so that a waiter sees no half of it.
#[derive(Debug, Default)]
struct State {
    node: Node,
    events: Vec<Event>,
}

impl State {
    fn record(&mut self, resource: &str, what: What) {
        self.events.push(Event { at: Instant::now(), resource: resource.to_owned(), what });
    }
}

/// A running stand-in. Dropping it is a kill: the socket stays on disk, as after `kill -9`.
#[derive(Debug)]
pub struct Kubelet {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl Kubelet {
    /// Starts on `directory` with the real kubelet's manners.
    ///
    /// # Errors
    /// When the directory cannot be made or emptied, or the socket cannot be bound.
    pub fn start(directory: &Path) -> std::io::Result<Self> {
        Self::start_with(directory, Manners::default())
    }

    /// Starts with other manners, to see what a plugin does about them.
    ///
    /// # Errors
    /// As [`Kubelet::start`].
    pub fn start_with(directory: &Path, manners: Manners) -> std::io::Result<Self> {
        empty(directory)?;
        let listener = UnixListener::bind(directory.join(SOCKET))?;
        let shared = Arc::new(Shared {
            directory: directory.to_owned(),
            manners,
            state: watch::Sender::new(State::default()),
        });
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(registration::serve(listener, Arc::clone(&shared), stopped));
        Ok(Self { shared, stop: Some(stop), server })
    }

    /// Ends as the real kubelet does on SIGTERM: connections close and the socket is unlinked.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let _ = (&mut self.server).await;
        let _ = std::fs::remove_file(self.shared.directory.join(SOCKET));
    }

    /// The node as its status would show it now.
    #[must_use]
    pub fn node(&self) -> Node {
        self.shared.state.borrow().node.clone()
    }

    /// Everything that happened so far, in order.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.shared.state.borrow().events.clone()
    }

    /// The lists that a resource sent, oldest first.
    #[must_use]
    pub fn lists(&self, resource: &str) -> Vec<Vec<Device>> {
        let state = self.shared.state.borrow();
        let lists = state.events.iter().filter(|e| e.resource == resource);
        lists
            .filter_map(|e| {
                if let What::List(devices) = &e.what { Some(devices.clone()) } else { None }
            })
            .collect()
    }

    /// Waits until the node satisfies `condition` and returns it, or `None` after `limit`.
    pub async fn wait_for(
        &self,
        limit: Duration,
        condition: impl Fn(&Node) -> bool,
    ) -> Option<Node> {
        let mut state = self.shared.state.subscribe();
        let found = tokio::time::timeout(limit, state.wait_for(|s| condition(&s.node))).await;
        Some(found.ok()?.ok()?.node.clone())
    }

    /// Waits until the events satisfy `condition` and returns them, or `None` after `limit`.
    pub async fn wait_for_events(
        &self,
        limit: Duration,
        condition: impl Fn(&[Event]) -> bool,
    ) -> Option<Vec<Event>> {
        let mut state = self.shared.state.subscribe();
        let found = tokio::time::timeout(limit, state.wait_for(|s| condition(&s.events))).await;
        Some(found.ok()?.ok()?.events.clone())
    }

    /// Chooses devices for a container as the device manager would and calls Allocate for each resource.
    /// The devices stay with `container` until [`Kubelet::release`].
    ///
    /// # Errors
    /// When a resource is unknown, too few devices are free, or the plugin refuses.
    pub async fn allocate(
        &self,
        container: &str,
        requests: &BTreeMap<String, usize>,
    ) -> Result<Vec<ContainerAllocateResponse>, AllocationError> {
        let mut responses = Vec::new();
        for (resource, &amount) in requests {
            match devices::allocate(&self.shared, container, resource, amount).await {
                Ok(response) => responses.push(response),
                Err(error) => {
                    self.release(container);
                    return Err(error);
                }
            }
        }
        Ok(responses)
    }

    /// Shows a pod that has no device.
    pub fn add_pod(&self, name: &str) {
        self.shared.state.send_modify(|s| {
            s.node.pods.insert(name.to_owned());
        });
    }

    /// Frees the devices of a container that ended.
    pub fn release(&self, container: &str) {
        self.shared.state.send_modify(|s| s.node.release(container));
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Makes `directory` and removes the sockets in it, as the device manager does when it starts.
fn empty(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    std::fs::create_dir_all(directory)?;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type().is_ok_and(|t| t.is_socket()) {
            match std::fs::remove_file(entry.path()) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
    }
    Ok(())
}
