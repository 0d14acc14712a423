//! What the command line means.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use fpga::names::{Mode, Naming, UnknownWord};
use fpga::root::Root;

use crate::args::Args;
use crate::mode::Source;
use crate::socket_dir::Sockets;

/// File name of the kubelet's socket.
const KUBELET_SOCKET: &str = "kubelet.sock";
/// Where a pod finds its service account's token.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Everything that [`crate::run::run`] needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the resources stand for, unless the node's annotation overrides it.
    pub mode: Mode,
    /// How functions are called.
    pub naming: Naming,
    /// The node's trees.
    pub root: Root,
    /// Where the sockets are.
    pub sockets: Sockets,
    /// The longest time between two scans.
    pub rescan_interval: Duration,
    /// Where the health endpoint is, if anywhere.
    pub health_address: Option<SocketAddr>,
    /// Name of the Node object.
    pub node_name: Option<String>,
    /// The API server, if there is one.
    pub api: Option<Source>,
}

/// A command line that has no meaning.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A mode or naming that is none.
    #[error(transparent)]
    Word(#[from] UnknownWord),
    /// A relative path, and no current directory.
    #[error("{path}: {error}")]
    Path {
        /// What was given.
        path: String,
        /// Why it cannot be made absolute.
        error: std::io::Error,
    },
}

impl Config {
    /// Checks the words of a command line and fills in what follows from others.
    ///
    /// # Errors
    /// [`ConfigError`] names the word.
    pub fn new(args: Args) -> Result<Self, ConfigError> {
        let root = args.trees();
        let directory = absolute(&args.socket_dir)?;
        let kubelet = match &args.kubelet_socket {
            Some(path) => absolute(path)?,
            None => directory.join(KUBELET_SOCKET),
        };
        Ok(Self {
            mode: args.mode.parse()?,
            naming: args.naming.parse()?,
            root,
            sockets: Sockets { directory, kubelet },
            rescan_interval: args.rescan_interval,
            health_address: args.health_address.0,
            node_name: args.node_name.filter(|name| !name.is_empty()),
            api: source(args.kubeconfig, args.master),
        })
    }
}

/// The directories above the sockets are watched, so their names must be known.
fn absolute(path: &Path) -> Result<std::path::PathBuf, ConfigError> {
    std::path::absolute(path)
        .map_err(|error| ConfigError::Path { path: path.display().to_string(), error })
}

fn source(kubeconfig: Option<std::path::PathBuf>, master: Option<String>) -> Option<Source> {
    match kubeconfig.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => Some(Source::Kubeconfig { path, master }),
        None => Path::new(SERVICE_ACCOUNT_TOKEN).exists().then_some(Source::ServiceAccount),
    }
}
