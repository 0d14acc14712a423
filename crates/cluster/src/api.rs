//! The way to the API server: one client for everything in a process that talks to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::OnceCell;

use crate::reach::Reach;

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

/// The API server. Clones share their connections.
#[derive(Clone)]
pub struct Server {
    source: Source,
    client: Arc<OnceCell<Client>>,
}

impl Server {
    /// Nothing is read or sent yet.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self { source, client: Arc::default() }
    }

    /// The client, which is made on first use.
    ///
    /// # Errors
    /// [`ClientError`]; what the client needs may come later, so that another attempt may succeed.
    pub async fn client(&self) -> Result<Client, ClientError> {
        self.client.get_or_try_init(|| connect(&self.source)).await.cloned()
    }

    /// The client, as soon as it can be made.
    pub async fn wait(&self, reach: &mut Reach) -> Client {
        loop {
            match self.client().await {
                Ok(client) => return client,
                Err(error) => tokio::time::sleep(reach.failed(&error)).await,
            }
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("source", &self.source).finish_non_exhaustive()
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The kubeconfig cannot be read or used.
    #[error("kubeconfig {}: {error}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: kube::config::KubeconfigError,
    },
    /// The pod's service account cannot be read or used.
    #[error("service account: {0}")]
    ServiceAccount(kube::config::InClusterError),
    /// The URL that replaces the kubeconfig's is not valid.
    #[error("API server URL {url:?}: {error}")]
    Url {
        /// What was given.
        url: String,
        /// Where it is wrong.
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

async fn from_kubeconfig(path: &Path, master: Option<&str>) -> Result<Config, ClientError> {
    let failed = |error| ClientError::Kubeconfig { path: path.to_owned(), error };
    let kubeconfig = Kubeconfig::read_from(path).map_err(failed)?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(failed)?;
    if let Some(url) = master {
        config.cluster_url =
            url.parse().map_err(|error| ClientError::Url { url: url.to_owned(), error })?;
    }
    Ok(config)
}

/// An error with its causes, without those that the text already has.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
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
