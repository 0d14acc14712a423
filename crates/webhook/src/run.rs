//! Puts the parts together and runs them until a signal.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fpga_cluster::events::{Events, Sending};
use fpga_cluster::http::{Endpoint, Listen, Report};
use fpga_cluster::signals;
use tokio::sync::{oneshot, watch};

use crate::config::Config;
use crate::control::{self, Control, ControlError};
use crate::follow::Known;
use crate::index::{Index, Rules};
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::review::review;
use crate::server::{self, Routes};
use crate::tls::{self, Serving};

/// For the requests that are under way at the end, and then for the lease to be given back.
const DRAIN: Duration = Duration::from_secs(15);
const GIVE_BACK: Duration = Duration::from_secs(3);

/// Why the webhook cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// An address is unavailable.
    #[error("{flag} {address}: {error}")]
    Address {
        /// Which flag named it.
        flag: &'static str,
        address: Listen,
        error: io::Error,
    },
    /// The TLS library refuses its configuration.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The system refuses a thread or a signal handler.
    #[error("{what}: {error}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Why it was refused.
        error: io::Error,
    },
    /// What goes on with the API server ended.
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// Runs until SIGTERM or SIGINT, and then until every request that is under way has its answer.
///
/// # Errors
/// [`RunError`], in one line.
pub(crate) fn run(config: Config) -> Result<(), RunError> {
    let failed = |error| RunError::System { what: "async runtime", error };
    // Reviews take microseconds, and are taken by one thread.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(failed)?.block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), RunError> {
    let signalled =
        signals::stop().map_err(|error| RunError::System { what: "signal handler", error })?;
    let listener = opened("--address", config.address, config.address.bind())?;
    log_address("--address", listener.local_addr());
    let health = match config.health {
        Some(at) => {
            let endpoint = opened("--health-address", at, Endpoint::bind(at))?;
            log_address("--health-address", Ok(endpoint.address()));
            Some(endpoint)
        }
        None => None,
    };
    let (metrics, serving) = (Metrics::default(), Serving::default());
    let readiness = Readiness::new(serving.clone());
    let Config { mode: default_mode, naming, regiondevel, .. } = config;
    let rules = Rules { default_mode, naming, regiondevel };
    let (known, feed) = Known::new(Index::new(rules));
    let known = Arc::new(known);
    let dropped = metrics.events_dropped.clone();
    let (events, notices) = Events::new(move |result| {
        if result != Sending::Sent {
            dropped.inc();
        }
    });
    let (stop, stopped) = watch::channel(false);
    let tls = tls::config(tls::provider(), serving.clone())?;
    let routes = Arc::new(Routes::new(
        config.path,
        review(Arc::clone(&known), events.clone()),
        readiness.clone(),
        metrics.clone(),
    ));
    let control = control::start(Control {
        source: config.source,
        certificates: config.certificates,
        terms: config.terms,
        known,
        feed,
        serving,
        readiness: readiness.clone(),
        metrics: metrics.clone(),
        events,
        notices,
        stop: stopped.clone(),
    });
    let control = control.map_err(|error| RunError::System { what: "API thread", error })?;
    if let Some(endpoint) = health {
        tokio::spawn(endpoint.run(About { readiness: readiness.clone(), metrics }));
    }
    let stop = async move {
        signalled.await;
        readiness.stopping();
        tokio::time::sleep(config.shutdown_delay).await;
        stop.send_replace(true);
    };
    let drained = async {
        tokio::join!(server::serve(listener, tls, routes, stopped, DRAIN), stop);
    };
    let (mut control, mut drained) = (control, std::pin::pin!(drained));
    tokio::select! {
        ended = &mut control => {
            of_control(ended)?;
            // It was told to end, and so will be the server.
            drained.await;
            Ok(())
        }
        () = &mut drained => match tokio::time::timeout(GIVE_BACK, control).await {
            Ok(ended) => of_control(ended),
            Err(_) => Ok(()),
        },
    }
}

/// It ended by itself, or its thread is gone.
fn of_control(
    ended: Result<Result<(), ControlError>, oneshot::error::RecvError>,
) -> Result<(), RunError> {
    match ended {
        Ok(ended) => Ok(ended?),
        Err(_) => {
            let error = io::Error::other("it ended without a word");
            Err(RunError::System { what: "API thread", error })
        }
    }
}

fn opened<T>(flag: &'static str, address: Listen, opened: io::Result<T>) -> Result<T, RunError> {
    opened.map_err(|error| RunError::Address { flag, address, error })
}

fn log_address(flag: &str, bound: io::Result<SocketAddr>) {
    if let Ok(bound) = bound {
        tracing::info!("{flag} {bound}");
    }
}

/// What the health endpoint shows.
struct About {
    readiness: Readiness,
    metrics: Metrics,
}

impl Report for About {
    fn missing(&self) -> Vec<String> {
        self.readiness.missing()
    }

    fn metrics(&self) -> Result<String, std::fmt::Error> {
        self.metrics.text()
    }
}
