//! Everything that goes on with the API server, on a thread of its own so that no review waits for it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fpga_cluster::api::{ClientError, Server, Source};
use fpga_cluster::events::{self, Events, Queue, Rate};
use tokio::sync::{oneshot, watch};

use crate::certificates::{files, keeper, replica};
use crate::config::Certificates;
use crate::follow::{self, Feed, Known};
use crate::lease::{self, Terms};
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::status;
use crate::tls::{self, Serving};

/// Events of a namespace: these at once, and one more after this time. One that cannot be written is lost: it is
/// a courtesy.
const EVENTS: Rate = Rate { burst: 10, refill: Duration::from_secs(30) };

/// What the thread works with.
#[derive(Debug)]
pub(crate) struct Control {
    /// The way to the API server.
    pub(crate) source: Source,
    /// Where the certificate comes from.
    pub(crate) certificates: Certificates,
    /// Our part in the lease.
    pub(crate) terms: Terms,
    /// What it keeps.
    pub(crate) known: Arc<Known>,
    /// Where it keeps it.
    pub(crate) feed: Feed,
    /// The certificate in use.
    pub(crate) serving: Serving,
    /// What it says when it is far enough.
    pub(crate) readiness: Readiness,
    /// What it counts.
    pub(crate) metrics: Metrics,
    /// Where it hands in notices of its own.
    pub(crate) events: Events,
    /// What is to be written as Events.
    pub(crate) notices: Queue,
    /// When it is to end.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Why the thread ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    /// There is no way to the API server.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The directory of the certificate cannot be followed.
    #[error("--certificate-dir {}: {error}", directory.display())]
    Files { directory: PathBuf, error: io::Error },
    /// The system refuses a thread or what it needs.
    #[error("API thread: {0}")]
    System(#[from] io::Error),
}

/// Starts the thread. The receiver hears how it ended.
///
/// # Errors
/// When the system refuses a thread.
pub(crate) fn start(control: Control) -> io::Result<oneshot::Receiver<Result<(), ControlError>>> {
    let (ended, end) = oneshot::channel();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = match runtime {
            Ok(runtime) => runtime.block_on(control.run()),
            Err(error) => Err(error.into()),
        };
        // When nobody listens the process is ending.
        let _ = ended.send(result);
    };
    std::thread::Builder::new().name("api".to_owned()).spawn(run)?;
    Ok(end)
}

impl Control {
    async fn run(self) -> Result<(), ControlError> {
        let server = Server::new(self.source);
        let client = server.client().await?;
        let (leads, led) = watch::channel(false);
        let lease = lease::hold(client.clone(), self.terms.clone(), leads, self.stop);
        let tasks = async {
            let known = Arc::clone(&self.known);
            let follow = follow::follow(
                client.clone(),
                self.feed,
                known,
                self.readiness,
                self.metrics.clone(),
            );
            let terms = events::Terms {
                controller: "fpga.intel.com/webhook",
                instance: self.terms.identity,
                action: "Admission",
                about: "pods and objects".to_owned(),
                rate: EVENTS,
                attempts: 1,
            };
            let events = self.notices.write(server, terms);
            let status = status::write(client.clone(), self.known, self.events, led.clone());
            let certificates =
                certificates(client.clone(), self.certificates, self.serving, led.clone());
            let leader = show(led, self.metrics);
            tokio::select! {
                Err(error) = certificates => Err(error),
                _ = async { tokio::join!(follow, events, status, leader) } => Ok(()),
            }
        };
        tokio::select! {
            ended = tasks => ended,
            // It ends when it is told to, and has then given the lease back.
            () = lease => Ok(()),
        }
    }
}

async fn certificates(
    client: kube::Client,
    certificates: Certificates,
    serving: Serving,
    leads: watch::Receiver<bool>,
) -> Result<(), ControlError> {
    let provider = tls::provider();
    match certificates {
        Certificates::Files(directory) => {
            let followed = files::follow(directory.clone(), serving, provider).await;
            followed.map(drop).map_err(|error| ControlError::Files { directory, error })
        }
        Certificates::Own { objects, policy } => {
            let (known, secret) = watch::channel(replica::Known::default());
            let replica = replica::follow(
                client.clone(),
                objects.namespace.clone(),
                objects.secret.clone(),
                serving,
                provider,
                known,
            );
            let keeper = keeper::keep(client, objects, policy, secret, leads);
            tokio::join!(replica, keeper);
            Ok(())
        }
    }
}

async fn show(mut leads: watch::Receiver<bool>, metrics: Metrics) {
    loop {
        let is_leader = *leads.borrow_and_update();
        metrics.leader.set(i64::from(is_leader));
        if leads.changed().await.is_err() {
            tokio::time::sleep(Duration::MAX).await;
        }
    }
}
