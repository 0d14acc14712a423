//! Puts the parts together and runs them until a signal.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use fpga::names::Mode;
use fpga_cluster::api::Server;
use fpga_cluster::events::{self, Events, Rate, Reporter};
use fpga_cluster::http::{Endpoint, Listen, Report};
use fpga_cluster::signals;
use k8s_openapi::api::core::v1::ObjectReference;
use tokio::sync::{mpsc, watch};

use crate::cdi::Specs;
use crate::config::Config;
use crate::grants::{self, Surroundings};
use crate::kubelet::directory::{self, Seen};
use crate::metrics::Metrics;
use crate::mode;
use crate::node::health::Judge;
use crate::node::inventory::{self, Looks};
use crate::node::vanished::Vanished;
use crate::node_status::{self, Source};
use crate::orphans::Orphans;
use crate::paths::Paths;
use crate::plugin::handout::Handout;
use crate::plugin::manager::{InventoryEnded, Manager};
use crate::plugin::planner::Planner;
use crate::release;
use crate::results;
use crate::status::Status;

/// Events about the node: these at once, and one more a minute.
const EVENTS: Rate = Rate { burst: 20, refill: Duration::from_secs(60) };
/// The last attempt to write one is made after some minutes.
const EVENT_ATTEMPTS: u32 = 12;

/// Why the agent cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The node's tree cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Root { path: PathBuf, error: io::Error },
    /// The address of the health endpoint is unavailable.
    #[error("--health-address {address}: {error}")]
    Health { address: Listen, error: io::Error },
    /// The socket directory cannot be watched.
    #[error("cannot watch {}: {error}", path.display())]
    Watch { path: PathBuf, error: io::Error },
    /// The system refuses a thread or a signal handler.
    #[error("{what}: {error}")]
    System { what: &'static str, error: io::Error },
    /// A directory that is mounted from the host was removed there.
    #[error(
        "{}: this directory was removed on the host, and the container still has the removed one: ending, so that it is \
         started again with the new one",
        .0.display()
    )]
    Orphan(PathBuf),
    /// The scanning thread is gone.
    #[error(transparent)]
    Inventory(#[from] InventoryEnded),
}

/// Runs until SIGTERM or SIGINT, and then removes its sockets.
///
/// # Errors
/// [`RunError`], in one line.
pub(crate) async fn run(config: Config) -> Result<(), RunError> {
    let stop =
        signals::stop().map_err(|error| RunError::System { what: "signal handler", error })?;
    let sys = config.root.sys();
    std::fs::read_dir(sys).map_err(|error| RunError::Root { path: sys.to_owned(), error })?;

    let status = Status::default();
    let metrics = Metrics::default();
    let about = About { status: status.clone(), metrics: metrics.clone() };
    let endpoint = endpoint(config.health_address, about)?;
    let watch_failed = |error| RunError::Watch { path: config.sockets.directory.clone(), error };
    let (paths, paths_no_more) = Paths::new().map_err(watch_failed)?;
    let seen = directory::follow(config.sockets.clone(), &paths);
    let looks = Looks { rescan: config.rescan_interval, health: config.health.interval };
    let judge = Judge::new(config.health.policy.clone());
    let counts = metrics.clone();
    let inventory =
        inventory::follow(config.root.clone(), looks, judge, move |done| counts.node(done))
            .map_err(|error| RunError::System { what: "thread", error })?;

    tracing::info!("FPGA device plugin started in {} mode", config.mode);
    let server = config.api.clone().map(Server::new);
    let orphans = Orphans::default();
    let mode = follow_mode(&config, server.as_ref(), orphans.clone());
    if let Some(directory) = config.region.hook_results.clone() {
        tokio::spawn(results::follow(directory, paths.clone(), metrics.clone(), orphans.clone()));
    }
    let reporter = match (&server, &config.node_name) {
        (Some(server), Some(node)) => reporter(server.clone(), node, metrics.clone()),
        _ => Reporter::default(),
    };
    let tidied = server.clone().zip(config.node_name.clone()).filter(|_| !config.keep_stale);
    let (allocations, allocated) = mpsc::unbounded_channel();
    let specs = Specs::new(config.region.cdi_dir.clone(), orphans.clone());
    tokio::spawn(specs.clone().keep(paths.clone()));
    grants::keep(
        &config.region,
        server.clone(),
        Surroundings {
            mode: mode.clone(),
            specs: specs.in_use(),
            paths,
            metrics: metrics.clone(),
            reporter: reporter.clone(),
            orphans: orphans.clone(),
        },
    );
    let handout = Handout::new(&config.region, specs, allocations);
    if let Some(socket) = config.region.pod_resources {
        tokio::spawn(release::clean(release::Source {
            socket,
            root: config.root,
            allocated,
            inventory: inventory.clone(),
            mode: mode.clone(),
            seen: seen.clone(),
            metrics: metrics.clone(),
        }));
    }
    tokio::spawn(count_kubelets(seen.clone(), metrics.clone()));
    let planner =
        Planner::new(config.naming, config.regiondevel, Vanished::new(config.health.keep_vanished));
    let manager =
        Manager::new(planner, config.sockets.clone(), seen, status, metrics, reporter, handout)
            .reporting_to(orphans.clone());
    if let Some((server, node)) = tidied {
        let sockets = config.sockets.directory.clone();
        let offered = manager.offered();
        tokio::spawn(node_status::tidy(Source { server, node, sockets, offered }));
    }
    tokio::select! {
        ended = manager.run(inventory, mode, stop) => Ok(ended?),
        Ok(error) = paths_no_more => Err(watch_failed(error)),
        directory = orphans.found() => Err(RunError::Orphan(directory)),
        never = endpoint => match never {},
    }
}

/// What the health endpoint shows.
struct About {
    status: Status,
    metrics: Metrics,
}

impl Report for About {
    fn missing(&self) -> Vec<String> {
        self.status.missing()
    }

    fn metrics(&self) -> Result<String, std::fmt::Error> {
        self.metrics.text(&self.status)
    }
}

fn endpoint(
    address: Option<Listen>,
    about: About,
) -> Result<impl Future<Output = Infallible>, RunError> {
    let endpoint = match address {
        Some(address) => {
            let bound = Endpoint::bind(address);
            let bound = bound.map_err(|error| RunError::Health { address, error })?;
            tracing::info!("health endpoint at http://{}", bound.address());
            Some(bound)
        }
        None => None,
    };
    Ok(async {
        match endpoint {
            Some(endpoint) => endpoint.run(about).await,
            None => std::future::pending().await,
        }
    })
}

/// Starts writing Events about the node.
fn reporter(server: Server, node: &str, metrics: Metrics) -> Reporter {
    let terms = events::Terms {
        controller: "fpga.intel.com/agent",
        instance: node.to_owned(),
        action: "CheckHealth",
        about: format!("node {node}"),
        rate: EVENTS,
        attempts: EVENT_ATTEMPTS,
    };
    let (events, queue) = Events::new(move |result| metrics.event(result));
    tokio::spawn(queue.write(server, terms));
    // `kubectl describe node` asks for what has the node's name as its uid, as the kubelet writes it.
    let regarding = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Node".to_owned()),
        name: Some(node.to_owned()),
        uid: Some(node.to_owned()),
        ..ObjectReference::default()
    };
    Reporter::new(events, regarding)
}

/// Counts the kubelets that come up.
async fn count_kubelets(mut seen: watch::Receiver<Seen>, metrics: Metrics) {
    let mut counted = seen.borrow_and_update().kubelet;
    while seen.changed().await.is_ok() {
        let kubelet = seen.borrow_and_update().kubelet;
        metrics.kubelet_started(kubelet.saturating_sub(counted));
        counted = kubelet;
    }
}

/// The configured mode, and the annotation's if there is a way to learn it.
fn follow_mode(
    config: &Config,
    server: Option<&Server>,
    orphans: Orphans,
) -> watch::Receiver<Mode> {
    let reason = match (server, &config.node_name) {
        (Some(server), Some(node)) => {
            let kept = config.mode_file.clone();
            return mode::follow(config.mode, node.clone(), server.clone(), kept, orphans);
        }
        (None, _) => "neither --kubeconfig nor a service account is given",
        (Some(_), None) => "neither --node-name nor NODE_NAME is given",
    };
    tracing::info!("the node's annotation is not read: {reason}");
    watch::channel(config.mode).1
}
