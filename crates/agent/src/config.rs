//! What the command line means.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fpga::names::{Mode, Naming, RegionDevelName, UnknownWord};
use fpga::root::Root;
use fpga_cluster::api::Source;
use fpga_cluster::http::Listen;
use fpga_cluster::logging::LogArgs;

use crate::args::{Args, HealthArgs, Parsed, RegionArgs};
use crate::cdi::Hook;
use crate::kubelet::directory::Sockets;
use crate::node::health::Policy;
use crate::plugin::handout::RegionConfig;

/// File name of the kubelet's socket.
const KUBELET_SOCKET: &str = "kubelet.sock";
/// Where a pod finds its service account's token.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// A command line, read.
#[derive(Debug)]
pub(crate) struct CommandLine {
    /// What is logged, and how.
    pub log: LogArgs,
    /// Flags that have no effect, as typed.
    pub ignored: Vec<String>,
    /// The rest. A line that has no meaning is reported after the log is set up.
    pub config: Result<Config, ConfigError>,
}

impl CommandLine {
    /// Parses a command line, whose first word is the program's name.
    ///
    /// # Errors
    /// clap's, which print themselves; `--help` and `--version` are among them.
    pub(crate) fn parse(line: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let Parsed { args, ignored } = Args::parse_line(line)?;
        Ok(Self { log: args.log, ignored, config: Config::new(args) })
    }
}

/// Everything that [`crate::run::run`] needs.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// What the resources stand for, unless the node's annotation overrides it.
    pub mode: Mode,
    /// Where the mode of the annotation is kept, if anywhere.
    pub mode_file: Option<PathBuf>,
    /// The file by which one agent of a node serves at a time, if any.
    pub lock_file: Option<PathBuf>,
    /// The kubelet's pod resources socket, if it is to be asked.
    pub pod_resources: Option<PathBuf>,
    pub naming: Naming,
    /// How regions are called that are given with their management node.
    pub regiondevel: RegionDevelName,
    pub root: Root,
    /// Where the sockets are.
    pub sockets: Sockets,
    /// The longest time between two scans.
    pub rescan_interval: Duration,
    /// How the health of devices is judged.
    pub health: HealthConfig,
    /// Where the health endpoint is, if anywhere.
    pub health_address: Option<Listen>,
    /// Name of the Node object.
    pub node_name: Option<String>,
    /// The API server, if there is one.
    pub api: Option<Source>,
    /// Whether resources that are no longer offered stay on the Node.
    pub keep_stale: bool,
    /// What only region mode needs.
    pub region: RegionConfig,
}

/// The part of the configuration that is about the health of devices.
#[derive(Debug, Clone)]
pub(crate) struct HealthConfig {
    /// The longest time between two checks of what the kernel does not report; `None` leaves it at the scans.
    pub interval: Option<Duration>,
    /// What makes a device unhealthy.
    pub policy: Policy,
    /// How long the devices of a vanished card stay listed.
    pub keep_vanished: Duration,
}

/// A command line that has no meaning.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// An unknown mode or naming.
    #[error(transparent)]
    Word(#[from] UnknownWord),
    /// A relative path, and no current directory.
    #[error("{path}: {error}")]
    Path {
        path: String,
        /// Why it cannot be made absolute.
        error: std::io::Error,
    },
    /// A path that is to be written into JSON.
    #[error("{0}: not UTF-8")]
    Text(String),
}

impl Config {
    /// Checks the words of a command line and fills in what follows from others.
    ///
    /// # Errors
    /// [`ConfigError`] names the word.
    pub(crate) fn new(args: Args) -> Result<Self, ConfigError> {
        let root = args.trees();
        let regiondevel = args.regiondevel_name.parse()?;
        let bound_nodes = args.bind_nodes.then(|| text(&absolute(root.dev())?)).transpose()?;
        let directory = absolute(&args.socket_dir)?;
        let kubelet = match &args.kubelet_socket {
            Some(path) => absolute(path)?,
            None => directory.join(KUBELET_SOCKET),
        };
        Ok(Self {
            mode: args.mode.parse()?,
            mode_file: args.mode_file.0,
            lock_file: args.lock_file.0.as_deref().map(absolute).transpose()?,
            pod_resources: args.pod_resources_socket.0.as_deref().map(absolute).transpose()?,
            naming: args.naming.parse()?,
            regiondevel,
            root,
            sockets: Sockets { directory, kubelet },
            rescan_interval: args.rescan_interval,
            health: health(args.health),
            health_address: args.health_address.0,
            node_name: args.node_name.filter(|name| !name.is_empty()),
            api: source(args.kubeconfig, args.master),
            keep_stale: args.keep_stale_resources,
            region: RegionConfig { bound_nodes, regiondevel, ..region(args.region)? },
        })
    }
}

fn health(args: HealthArgs) -> HealthConfig {
    let millidegrees = |degrees: u8| u32::from(degrees) * 1000;
    HealthConfig {
        interval: args.health_interval.0,
        policy: Policy {
            unhealthy_on: args.unhealthy_on,
            temperature_limit: args.temperature_limit.map(millidegrees),
            hysteresis: millidegrees(args.temperature_hysteresis),
        },
        keep_vanished: args.keep_vanished.0.unwrap_or(Duration::ZERO),
    }
}

fn region(args: RegionArgs) -> Result<RegionConfig, ConfigError> {
    let mut arguments = Vec::new();
    let grants_file = args.grants_file.0.as_deref().map(absolute).transpose()?;
    if args.allow_any {
        arguments.push("--allow-any".to_owned());
    } else if let Some(path) = &grants_file
        && path != Path::new(fpga::grants::DEFAULT_PATH)
    {
        arguments.extend(["--grants".to_owned(), text(path)?]);
    }
    let hook_results = args.hook_results.0.as_deref().map(absolute).transpose()?;
    match &hook_results {
        Some(path) if path == Path::new(fpga::records::DEFAULT_DIRECTORY) => {}
        Some(path) => arguments.extend(["--results".to_owned(), text(path)?]),
        None => arguments.extend(["--results".to_owned(), "none".to_owned()]),
    }
    if let Some(store) = &args.store {
        arguments.extend(["--store".to_owned(), text(&absolute(store)?)?]);
    }
    arguments.extend(["--timeout".to_owned(), format!("{}ms", args.hook_timeout.as_millis())]);
    arguments.extend(args.hook_arg);
    let path = text(&absolute(&args.hook_path)?)?;
    Ok(RegionConfig {
        programming: args.programming,
        claim_slots: args.claim_slots,
        uses_file: absolute(&args.uses_file)?,
        programmer: args.programmer_socket.0.as_deref().map(absolute).transpose()?,
        cdi_dir: absolute(&args.cdi_dir)?,
        hook: Hook { path, arguments, timeout: args.hook_timeout },
        grants_file: grants_file.filter(|_| !args.allow_any),
        grants_expire: args.grants_expire.0,
        allow_any: args.allow_any,
        hook_results,
        bound_nodes: None,
        regiondevel: RegionDevelName::default(),
    })
}

fn text(path: &Path) -> Result<String, ConfigError> {
    path.to_str().map(str::to_owned).ok_or_else(|| ConfigError::Text(path.display().to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn config(line: &str) -> Result<Config, ConfigError> {
        let words = std::iter::once("fpga-agent").chain(line.split_whitespace());
        let parsed = Args::parse_line(words.map(Into::into)).unwrap();
        Config::new(parsed.args)
    }

    fn region(line: &str) -> Result<RegionConfig, ConfigError> {
        config(line).map(|config| config.region)
    }

    fn arguments(line: &str) -> String {
        region(line).unwrap().hook.arguments.join(" ")
    }

    #[test]
    fn the_hook_is_told_what_differs_from_its_own_defaults() {
        assert_eq!(arguments(""), "--timeout 30000ms");
        assert_eq!(
            arguments("--grants-file /g --store /s -hook-timeout 2m --hook-arg=--verbose"),
            "--grants /g --store /s --timeout 120000ms --verbose"
        );
        assert_eq!(arguments("--grants-file none"), "--timeout 30000ms");
        assert_eq!(arguments("--hook-results none"), "--results none --timeout 30000ms");
        assert_eq!(arguments("--hook-results /r"), "--results /r --timeout 30000ms");
        assert_eq!(arguments("--allow-any --grants-file /g"), "--allow-any --timeout 30000ms");
    }

    #[test]
    fn paths_are_absolute_because_the_hook_runs_elsewhere() {
        let here = std::env::current_dir().unwrap();
        let config = region("--hook-path bin/fpgactl --cdi-dir cdi").unwrap();
        assert_eq!(Path::new(&config.hook.path), here.join("bin/fpgactl"));
        assert_eq!(config.cdi_dir, here.join("cdi"));
        assert!(arguments("--store s").contains(&format!("--store {}", here.join("s").display())));
    }

    #[test]
    fn files_can_be_switched_off() {
        let off = config("--grants-file none --pod-resources-socket none").unwrap();
        assert_eq!((off.region.grants_file, off.pod_resources, off.lock_file), (None, None, None));
        let config = region("--allow-any").unwrap();
        assert_eq!(config.grants_file, None, "grants that nobody minds are not kept");
        let config = region("").unwrap();
        assert_eq!(config.grants_file.as_deref(), Some(Path::new(fpga::grants::DEFAULT_PATH)));
    }
}
