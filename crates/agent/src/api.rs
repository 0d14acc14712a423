//! The API server, if there is one: one client for all who watch something there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher;
use kube::{Client, Config};
use tokio::sync::OnceCell;

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

/// The API server. Clones share their connection.
#[derive(Clone)]
pub struct Server {
    source: Source,
    client: Arc<OnceCell<Client>>,
}

impl Server {
    /// Nothing is tried yet.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self { source, client: Arc::default() }
    }

    /// The client, which is made on first use.
    ///
    /// # Errors
    /// [`ClientError`]; to be tried again, because what it needs may come later.
    pub async fn client(&self) -> Result<Client, ClientError> {
        self.client.get_or_try_init(|| connect(&self.source)).await.cloned()
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("source", &self.source).finish_non_exhaustive()
    }
}

/// How long to wait before the server is asked again.
pub(crate) fn backoff() -> Backoff {
    Backoff::new(FIRST_RETRY, SLOWEST_RETRY)
}

/// Why there is no client yet.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The kubeconfig cannot be read or used.
    #[error("kubeconfig {}: {error}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        error: kube::config::KubeconfigError,
    },
    /// The pod's service account cannot be read or used.
    #[error("service account: {0}")]
    ServiceAccount(kube::config::InClusterError),
    /// What was given as the server's URL is none.
    #[error("API server URL {url:?}: {error}")]
    Url {
        /// What was given.
        url: String,
        /// Why.
        error: hyper::http::uri::InvalidUri,
    },
    /// No client can be made of the configuration.
    #[error("API client: {0}")]
    Client(kube::Error),
    /// The thread that makes the client ended.
    #[error("API client: {0}")]
    Thread(tokio::task::JoinError),
}

async fn connect(source: &Source) -> Result<Client, ClientError> {
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

/// HTTP 410, which the API server answers when a resource version is too old.
pub(crate) fn is_gone(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchError(status) => status.code == 410,
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code == 410,
        _ => false,
    }
}

/// An error with its causes, leaving out those that the text above has already.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
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
