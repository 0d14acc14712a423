//! The mode that is in force: the configured one, unless the node's annotation says otherwise.
//!
//! The annotation is watched through the API server, in the background: the agent serves in the
//! configured mode until it knows better, and when the API server is away it goes on as it was.

use std::path::PathBuf;
use std::time::Duration;

use fpga::names::{Mode, NODE_MODE_ANNOTATION, UnknownWord};
use k8s_openapi::api::core::v1::Node;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, watch_object};
use kube::{Api, Client, Config, ResourceExt as _};
use tokio::sync::watch;
use tokio_stream::StreamExt as _;

use crate::backoff::Backoff;

const FIRST_RETRY: Duration = Duration::from_millis(200);
const SLOWEST_RETRY: Duration = Duration::from_secs(30);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Above the 290 s after which a watch ends by itself.
const READ_LIMIT: Duration = Duration::from_secs(330);

/// How the API server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// By a kubeconfig's current context.
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// URL to use instead of the file's.
        master: Option<String>,
    },
    /// By the pod's service account.
    ServiceAccount,
}

/// Starts watching the annotation of `node`. The value is `configured` until the annotation is known.
#[must_use]
pub fn follow(configured: Mode, node: String, source: Source) -> watch::Receiver<Mode> {
    let (mode, receiver) = watch::channel(configured);
    let follower = Follower { configured, node, mode, reachable: true, told: None };
    tokio::spawn(follower.run(source));
    receiver
}

struct Follower {
    configured: Mode,
    node: String,
    mode: watch::Sender<Mode>,
    /// Whether the last word to the log was that the API server answers.
    reachable: bool,
    /// The wrong annotation that was last complained of.
    told: Option<String>,
}

impl Follower {
    async fn run(mut self, source: Source) {
        let mut backoff = Backoff::new(FIRST_RETRY, SLOWEST_RETRY);
        let client = loop {
            match client(&source).await {
                Ok(client) => break client,
                Err(error) => self.unreachable(&error),
            }
            tokio::time::sleep(backoff.delay()).await;
        };
        let nodes = Api::<PartialObjectMeta<Node>>::all(client);
        let mut updates = std::pin::pin!(watch_object(nodes, &self.node));
        while let Some(update) = updates.next().await {
            match update {
                Ok(node) => {
                    backoff.reset();
                    self.answered();
                    let annotations = node.as_ref().map(|node| node.annotations());
                    let value = annotations.and_then(|all| all.get(NODE_MODE_ANNOTATION));
                    self.take(value.map(String::as_str));
                }
                // The history that the watch stood on has been compacted; it starts over by itself.
                Err(error) if is_gone(&error) => tracing::debug!("node {}: {error}", self.node),
                Err(error) => {
                    self.unreachable(&error);
                    tokio::time::sleep(backoff.delay()).await;
                }
            }
        }
    }

    fn take(&mut self, annotation: Option<&str>) {
        let mode = match decide(self.configured, annotation) {
            Ok(mode) => {
                self.told = None;
                mode
            }
            Err(error) => {
                if self.told.as_deref() != annotation {
                    let (node, configured) = (&self.node, self.configured);
                    tracing::warn!(
                        "node {node}: annotation {NODE_MODE_ANNOTATION}: {error}; using mode {configured}"
                    );
                    self.told = annotation.map(str::to_owned);
                }
                self.configured
            }
        };
        self.mode.send_if_modified(|current| {
            let changed = *current != mode;
            if changed && annotation.is_some() {
                tracing::info!(
                    "mode {mode} overrides {} by the annotation of node {}",
                    self.configured,
                    self.node
                );
            }
            *current = mode;
            changed
        });
    }

    fn answered(&mut self) {
        if !self.reachable {
            tracing::info!("the API server answers again");
        }
        self.reachable = true;
    }

    fn unreachable(&mut self, error: &dyn std::error::Error) {
        let reason = chain(error);
        if self.reachable {
            let (node, mode) = (&self.node, *self.mode.borrow());
            tracing::warn!(
                "cannot read the annotation of node {node}, staying in mode {mode} and retrying: {reason}"
            );
        } else {
            tracing::debug!("still cannot read the annotation of node {}: {reason}", self.node);
        }
        self.reachable = false;
    }
}

/// Why there is no client yet.
#[derive(Debug, thiserror::Error)]
enum ClientError {
    #[error("kubeconfig {}: {error}", path.display())]
    Kubeconfig { path: PathBuf, error: kube::config::KubeconfigError },
    #[error("service account: {0}")]
    ServiceAccount(kube::config::InClusterError),
    #[error("API server URL {url:?}: {error}")]
    Url { url: String, error: hyper::http::uri::InvalidUri },
    #[error("API client: {0}")]
    Client(kube::Error),
    #[error("API client: {0}")]
    Thread(tokio::task::JoinError),
}

async fn client(source: &Source) -> Result<Client, ClientError> {
    let mut config = match source {
        Source::Kubeconfig { path, master } => from_kubeconfig(path, master.as_deref()).await?,
        Source::ServiceAccount => Config::incluster().map_err(ClientError::ServiceAccount)?,
    };
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.read_timeout = Some(READ_LIMIT);
    // Reads the system's certificates, which takes longer than everything else at start.
    let client = tokio::task::spawn_blocking(|| Client::try_from(config)).await;
    client.map_err(ClientError::Thread)?.map_err(ClientError::Client)
}

async fn from_kubeconfig(path: &PathBuf, master: Option<&str>) -> Result<Config, ClientError> {
    let failed = |error| ClientError::Kubeconfig { path: path.clone(), error };
    let kubeconfig = Kubeconfig::read_from(path).map_err(failed)?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(failed)?;
    if let Some(url) = master {
        config.cluster_url =
            url.parse().map_err(|error| ClientError::Url { url: url.to_owned(), error })?;
    }
    Ok(config)
}

/// The mode for an annotation's value.
fn decide(configured: Mode, annotation: Option<&str>) -> Result<Mode, UnknownWord> {
    annotation.map_or(Ok(configured), str::parse)
}

/// HTTP 410, which the API server answers when a resource version is too old.
fn is_gone(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchError(status) => status.code == 410,
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code == 410,
        _ => false,
    }
}

/// An error with its causes, leaving out those that the text above has already.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_wins_when_it_is_a_mode() {
        assert_eq!(decide(Mode::Af, None), Ok(Mode::Af));
        assert_eq!(decide(Mode::Af, Some("region")), Ok(Mode::Region));
        assert_eq!(decide(Mode::Region, Some("af")), Ok(Mode::Af));
        for wrong in ["", "Region", "region ", "both"] {
            decide(Mode::Af, Some(wrong)).unwrap_err();
        }
    }
}
