//! Puts the parts together and runs them until a signal.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fpga::names::Mode;
use fpga_cluster::api::Server;
use fpga_cluster::events::{self, Events, Rate, Reporter};
use fpga_cluster::http::{Endpoint, Listen, Report};
use fpga_cluster::signals;
use k8s_openapi::api::core::v1::ObjectReference;
use tokio::sync::watch;

use crate::cdi::Specs;
use crate::config::Config;
use crate::grants;
use crate::holdings::{self, Holdings};
use crate::kubelet::directory::{self, Seen};
use crate::lock::{self, Claim, Lock, LockFailed};
use crate::metrics::Metrics;
use crate::mode;
use crate::node::health::Judge;
use crate::node::inventory::{self, Looks};
use crate::node::vanished::Vanished;
use crate::node_status::{self, Source};
use crate::orphans::Orphans;
use crate::paths::Paths;
use crate::plugin::handout::Handout;
use crate::plugin::lifecycle::Predecessor;
use crate::plugin::manager::{InventoryEnded, Manager, Surroundings};
use crate::plugin::planner::Planner;
use crate::release::Cleaner;
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
    /// The right to serve cannot be had.
    #[error(transparent)]
    Lock(#[from] LockFailed),
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
    tokio::pin!(stop);
    let sys = config.root.sys();
    std::fs::read_dir(sys).map_err(|error| RunError::Root { path: sys.to_owned(), error })?;

    let status = Status::default();
    let metrics = Metrics::default();
    let about = About { status: status.clone(), metrics: metrics.clone() };
    let endpoint = endpoint(config.health_address, about)?;
    tokio::pin!(endpoint);
    // Until it is this agent's turn it touches nothing that others go by.
    let turn = tokio::select! {
        turn = turn(config.lock_file.as_deref(), &status) => turn?,
        () = &mut stop => return Ok(()),
        never = &mut endpoint => match never {},
    };
    let predecessor = Predecessor {
        pod_resources: config.pod_resources.clone(),
        is_certain: turn.was_waited_for,
    };
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
    let specs = Specs::new(config.region.cdi_dir.clone(), orphans.clone());
    tokio::spawn(specs.clone().keep(paths.clone()));
    let handout = Handout::new(&config.region, specs);
    grants::keep(
        &config.region,
        server.clone(),
        grants::Surroundings {
            mode: mode.clone(),
            regions: handout.gives_regions(),
            paths,
            metrics: metrics.clone(),
            reporter: reporter.clone(),
            orphans: orphans.clone(),
        },
    );
    let holdings = Holdings::new(config.pod_resources.is_some());
    if let Some(socket) = config.pod_resources {
        let source = holdings::Source {
            socket,
            cleaner: Cleaner::new(config.root.clone(), metrics.clone(), handout.programmer()),
            root: config.root,
            inventory: inventory.clone(),
            mode: mode.clone(),
            seen: seen.clone(),
        };
        tokio::spawn(holdings::follow(holdings.clone(), source));
    }
    tokio::spawn(count_kubelets(seen.clone(), metrics.clone()));
    let planner =
        Planner::new(config.naming, config.regiondevel, Vanished::new(config.health.keep_vanished));
    let sockets = config.sockets.clone();
    let surroundings = Surroundings {
        sockets,
        seen,
        predecessor,
        status,
        metrics,
        reporter,
        handout,
        holdings,
        orphans: orphans.clone(),
    };
    let manager = Manager::new(planner, surroundings);
    if let Some((server, node)) = tidied {
        let sockets = config.sockets.directory.clone();
        let offered = manager.offered();
        tokio::spawn(node_status::tidy(Source { server, node, sockets, offered }));
    }
    let ended = tokio::select! {
        ended = manager.run(inventory, mode, stop) => ended.map_err(RunError::from),
        Ok(error) = paths_no_more => Err(watch_failed(error)),
        directory = orphans.found() => Err(RunError::Orphan(directory)),
        never = endpoint => match never {},
    };
    // The next agent need not wait until the process is gone.
    drop(turn);
    ended
}

/// The right to serve, if one is needed.
struct Turn {
    _lock: Option<Lock>,
    was_waited_for: bool,
}

/// Waits for the other agent of the node, if there is one, to end.
async fn turn(lock_file: Option<&Path>, status: &Status) -> Result<Turn, RunError> {
    let Some(path) = lock_file else { return Ok(Turn { _lock: None, was_waited_for: false }) };
    let failed = |error| LockFailed { path: path.to_owned(), error };
    let waiting = match lock::claim(path).map_err(failed)? {
        Claim::Taken(lock) => return Ok(Turn { _lock: Some(lock), was_waited_for: false }),
        Claim::Waiting(waiting) => waiting,
    };
    status.standby(true);
    tracing::info!("standing by until the agent that has {} ends", path.display());
    let ended = |_| io::Error::other("the thread that waits for it ended");
    let lock = waiting.await.map_err(ended).and_then(|taken| taken).map_err(failed)?;
    status.standby(false);
    tracing::info!("taking over: the other agent has ended");
    Ok(Turn { _lock: Some(lock), was_waited_for: true })
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
