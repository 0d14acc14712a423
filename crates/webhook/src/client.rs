//! The way to the API server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher;
use kube::{Client, Config};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Above the 290 s after which a watch ends by itself.
const READ_LIMIT: Duration = Duration::from_secs(330);

/// How the API server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// By a kubeconfig's current context.
    Kubeconfig(PathBuf),
    /// By the pod's service account.
    ServiceAccount,
}

/// Why there is no client.
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
    ServiceAccount(#[from] kube::config::InClusterError),
    /// No client can be made of the configuration.
    #[error("API client: {0}")]
    Client(#[from] kube::Error),
}

/// Makes a client. Nothing is sent yet.
///
/// # Errors
/// [`ClientError`].
pub async fn connect(source: &Source) -> Result<Client, ClientError> {
    let mut config = match source {
        Source::Kubeconfig(path) => from_kubeconfig(path).await?,
        Source::ServiceAccount => Config::incluster()?,
    };
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.read_timeout = Some(READ_LIMIT);
    Ok(Client::try_from(config)?)
}

async fn from_kubeconfig(path: &Path) -> Result<Config, ClientError> {
    let failed = |error| ClientError::Kubeconfig { path: path.to_owned(), error };
    let kubeconfig = Kubeconfig::read_from(path).map_err(failed)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(failed)
}

/// Says once that something at the API server cannot be had, and once that it can again.
#[derive(Debug)]
pub struct Reach {
    what: &'static str,
    trouble: Option<String>,
    retry: Duration,
}

impl Reach {
    const FIRST_RETRY: Duration = Duration::from_millis(200);
    const SLOWEST_RETRY: Duration = Duration::from_secs(30);

    /// `what` is asked for from now on.
    #[must_use]
    pub fn new(what: &'static str) -> Self {
        Self { what, trouble: None, retry: Self::FIRST_RETRY }
    }

    /// It was had.
    pub fn succeeded(&mut self) {
        self.retry = Self::FIRST_RETRY;
        if self.trouble.take().is_some() {
            tracing::info!("{}: the API server answers again", self.what);
        }
    }

    /// It was not: returns how long to wait.
    pub fn failed(&mut self, error: &dyn std::error::Error) -> Duration {
        let reason = chain(error);
        if self.trouble.as_ref() != Some(&reason) {
            tracing::warn!("{}: {reason}; retrying", self.what);
        }
        self.trouble = Some(reason);
        let delay = self.retry;
        self.retry = (delay * 2).min(Self::SLOWEST_RETRY);
        delay
    }

    /// [`Reach::failed`] of a watch. A history that was compacted is no trouble: the watch starts over.
    pub fn watch_failed(&mut self, error: &watcher::Error) -> Duration {
        if is_gone(error) {
            tracing::debug!("{}: {error}", self.what);
            return Duration::ZERO;
        }
        self.failed(error)
    }
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
