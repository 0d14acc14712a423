//! Puts the parts together and runs them until a signal.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use fpga::names::Mode;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::api::Server;
use crate::config::Config;
use crate::events::Reporter;
use crate::grants;
use crate::health::Judge;
use crate::http::Endpoint;
use crate::inventory::{self, Looks};
use crate::manager::{InventoryEnded, Manager};
use crate::metrics::Metrics;
use crate::mode;
use crate::node_status::{self, Source};
use crate::region::Handout;
use crate::release;
use crate::resources::Rules;
use crate::results;
use crate::socket_dir::{self, Seen};
use crate::status::Status;

/// Why the agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The node's tree cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Root {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The address of the health endpoint is not to be had.
    #[error("--health-address {address}: {error}")]
    Health {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The socket directory cannot be watched.
    #[error("cannot watch {}: {error}", path.display())]
    Watch {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The system refuses a thread or a signal handler.
    #[error("{what}: {error}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Why it was refused.
        error: io::Error,
    },
    /// The scanning thread is gone.
    #[error(transparent)]
    Inventory(#[from] InventoryEnded),
}

/// Runs until SIGTERM or SIGINT, and then removes its sockets.
///
/// # Errors
/// [`RunError`], in one line.
pub async fn run(config: Config) -> Result<(), RunError> {
    let stop = signals().map_err(|error| RunError::System { what: "signal handler", error })?;
    let sys = config.root.sys();
    std::fs::read_dir(sys).map_err(|error| RunError::Root { path: sys.to_owned(), error })?;

    let status = Status::default();
    let metrics = Metrics::default();
    let endpoint = endpoint(config.health_address, status.clone(), metrics.clone()).await?;
    let watch_failed = |error| RunError::Watch { path: config.sockets.directory.clone(), error };
    let (seen, seen_no_more) = socket_dir::follow(config.sockets.clone()).map_err(watch_failed)?;
    let looks = Looks { rescan: config.rescan_interval, health: config.health.interval };
    let judge = Judge::new(config.health.policy.clone());
    let inventory = inventory::follow(config.root.clone(), looks, judge, metrics.clone())
        .map_err(|error| RunError::System { what: "thread", error })?;

    tracing::info!("FPGA device plugin started in {} mode", config.mode);
    let server = config.api.clone().map(Server::new);
    let mode = follow_mode(&config, server.as_ref());
    grants::keep(&config.region, mode.clone(), server.clone());
    if let Some(directory) = config.region.hook_results.clone() {
        results::follow(directory, metrics.clone())
            .map_err(|error| RunError::System { what: "thread", error })?;
    }
    let reporter = Reporter::start(server.as_ref(), config.node_name.as_ref(), metrics.clone());
    let tidied = server.clone().zip(config.node_name.clone()).filter(|_| !config.keep_stale);
    let (allocations, allocated) = mpsc::unbounded_channel();
    let handout = Handout::new(&config.region, allocations);
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
    let rules = Rules { naming: config.naming, keep_vanished: config.health.keep_vanished };
    let manager =
        Manager::new(rules, config.sockets.clone(), seen, status, metrics, reporter, handout);
    if let Some((server, node)) = tidied {
        let sockets = config.sockets.directory.clone();
        let offered = manager.offered();
        tokio::spawn(node_status::tidy(Source { server, node, sockets, offered }));
    }
    tokio::select! {
        ended = manager.run(inventory, mode, stop) => Ok(ended?),
        Ok(error) = seen_no_more => Err(watch_failed(error)),
        never = endpoint => match never {},
    }
}

fn signals() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("stopping: SIGTERM"),
            _ = interrupt.recv() => tracing::info!("stopping: SIGINT"),
        }
    })
}

async fn endpoint(
    address: Option<SocketAddr>,
    status: Status,
    metrics: Metrics,
) -> Result<impl Future<Output = std::convert::Infallible>, RunError> {
    let endpoint = match address {
        Some(address) => {
            let bound = Endpoint::bind(address, status, metrics).await;
            Some(bound.map_err(|error| RunError::Health { address, error })?)
        }
        None => None,
    };
    Ok(async {
        match endpoint {
            Some(endpoint) => endpoint.run().await,
            None => std::future::pending().await,
        }
    })
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
fn follow_mode(config: &Config, server: Option<&Server>) -> watch::Receiver<Mode> {
    let reason = match (server, &config.node_name) {
        (Some(server), Some(node)) => {
            return mode::follow(config.mode, node.clone(), server.clone());
        }
        (None, _) => "neither --kubeconfig nor a service account is given",
        (Some(_), None) => "neither --node-name nor NODE_NAME is given",
    };
    tracing::info!("the node's annotation is not read: {reason}");
    watch::channel(config.mode).1
}
