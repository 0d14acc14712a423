//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{CommandFactory as _, Parser};
use fpga::duration::parse_interval;
use fpga::root::Root;
use fpga_cluster::http::Listen;
use fpga_cluster::logging::LogArgs;
use fpga_cluster::optional::OrNone;

mod go;
mod health;
mod region;

pub(crate) use health::HealthArgs;
pub(crate) use region::RegionArgs;

/// What was typed. The words of `--mode` and `--naming` are checked by [`crate::config`], which has a
/// better answer to a wrong one.
#[derive(Debug, Clone, Parser)]
#[command(name = "fpga-agent", version, about, after_help = AFTER_HELP, args_override_self = true)]
pub(crate) struct Args {
    /// Kind of resources: af, region or regiondevel.
    ///
    /// The node's annotation `fpga.intel.com/device-plugin-mode` overrides it.
    #[arg(long, default_value = "af")]
    pub mode: String,

    /// Name of the Node object whose annotation is read.
    #[arg(long, env = "NODE_NAME", value_name = "NAME")]
    pub node_name: Option<String>,

    /// Kubeconfig of the API server; without one, the pod's service account, if there is one.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// URL of the API server, instead of the one in the kubeconfig.
    #[arg(long, value_name = "URL")]
    pub master: Option<String>,

    /// Directory that holds the node's sys/ and dev/.
    #[arg(long, default_value = "/", value_name = "DIR")]
    pub root: PathBuf,

    /// The node's sysfs, if it is not ROOT/sys.
    #[arg(long, value_name = "DIR")]
    pub sysfs: Option<PathBuf>,

    /// The node's devices, if they are not in ROOT/dev.
    #[arg(long, value_name = "DIR")]
    pub devfs: Option<PathBuf>,
    /// Ledger of what is in the regions and whose they are, if it is not ROOT/run/kube-fpga/ledger.
    #[arg(long, value_name = "DIR", env = "FPGA_LEDGER")]
    #[arg(value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub ledger: Option<PathBuf>,

    /// Give containers their nodes as bind mounts of the files in ROOT/dev, for a root that is not the
    /// machine's own, such as an emulator's. ROOT must be the same on the host.
    #[arg(long)]
    pub bind_nodes: bool,

    /// Directory of the device plugins' sockets.
    #[arg(long, default_value = "/var/lib/kubelet/device-plugins", value_name = "DIR")]
    pub socket_dir: PathBuf,

    /// The kubelet's socket, if it is not SOCKET_DIR/kubelet.sock.
    #[arg(long, value_name = "FILE")]
    pub kubelet_socket: Option<PathBuf>,

    /// Socket at which the kubelet says which pod holds which device. Such a device is given to nobody else when its
    /// name changes with the mode or the function; in region mode it is cleaned when its pod has left it. none leaves
    /// both undone.
    #[arg(
        long,
        default_value = "/var/lib/kubelet/pod-resources/kubelet.sock",
        value_name = "FILE"
    )]
    pub pod_resources_socket: OrNone<PathBuf>,

    /// Leave resources that are no longer offered on the Node, where the kubelet sets them to 0.
    #[arg(long)]
    pub keep_stale_resources: bool,

    /// Where the mode that the node's annotation names is kept, for a restart while the API server is away; none keeps
    /// it nowhere.
    #[arg(long, default_value = "/run/kube-fpga/mode", value_name = "FILE")]
    pub mode_file: OrNone<PathBuf>,

    /// File whose lock the agent holds while it serves. A second agent with the same file stands by, healthy and ready,
    /// and takes over at once when the first ends; none lets every agent serve.
    #[arg(long, default_value = "none", value_name = "FILE")]
    pub lock_file: OrNone<PathBuf>,

    /// Names of functions: plain (`af-AFUID`) or encoded (`af-III.AAA.BASE64URL`).
    #[arg(long, default_value = "plain")]
    pub naming: String,

    /// Name of the resources in regiondevel mode: own (`regiondevel-INTERFACEID`), or shared with region mode
    /// (`region-INTERFACEID`) as in Intel's plugin.
    ///
    /// A container that gets such a resource gets the management node, by which it can load anything into the whole
    /// card. With shared, every namespace that was granted a function in region mode can get one: its pods ask for
    /// the same name and land on nodes of either mode. The webhook needs the same value.
    #[arg(long, default_value = "own", value_name = "NAME")]
    pub regiondevel_name: String,

    /// Interval of scans of the node even if the kernel reports no change, such as 5m or 30s.
    #[arg(long, default_value = "5m", value_parser = parse_interval, value_name = "TIME")]
    pub rescan_interval: Duration,

    /// Address of /healthz, /readyz and /metrics; none switches them off.
    #[arg(long, default_value = "127.0.0.1:10270", value_name = "[IP]:PORT")]
    pub health_address: OrNone<Listen>,

    /// Flags about log lines.
    #[command(flatten)]
    pub log: LogArgs,

    /// Flags about the health of devices.
    #[command(flatten)]
    pub health: HealthArgs,

    /// Flags that matter in region mode only.
    #[command(flatten)]
    pub region: RegionArgs,
}

const AFTER_HELP: &str = "\
Examples:
  fpga-agent --mode region
  fpga-agent --mode region --programming hooks.d --hook-arg=--verbose
  NODE_NAME=$(hostname) fpga-agent -mode af -kubeconfig $KUBE_CONF
  fpga-agent --root /tmp/node --socket-dir /tmp/plugins --health-address none

Long flags may have a single dash. The logging flags of klog other than -v are accepted and have no
effect.

In region mode each region has a CDI spec, by which the runtime runs `fpga-hook` for a
container that gets it: before the start, to program the function that the container asks for, and
after the end, to clean. The specs are kept when the agent stops, and removed when it starts in
another mode. After the agent was removed for good, remove intel.cdi.k8s.io-fpga-* from the
directory when no pod uses a region any more, or let the next reboot empty it.

Exit codes:
  0  stopped by SIGTERM or SIGINT, with its sockets removed
  1  cannot run, or no longer: an unreadable root, an address in use, a directory that was removed behind a
     container's mount
  2  wrong command line";

/// The arguments of a command line and the klog flags that were left out of them.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// What was typed.
    pub args: Args,
    /// Flags that have no effect, as typed.
    pub ignored: Vec<String>,
}

impl Args {
    /// Parses a command line, whose first word is the program's name, in GNU or in Go spelling.
    ///
    /// # Errors
    /// clap's, which print themselves; `--help` and `--version` are among them.
    pub(crate) fn parse_line(
        line: impl IntoIterator<Item = OsString>,
    ) -> Result<Parsed, clap::Error> {
        let command = Self::command();
        let known: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
        let go::Normal { line, ignored } = go::normalise(line, &known);
        Ok(Parsed { args: Self::try_parse_from(line)?, ignored })
    }

    #[must_use]
    pub(crate) fn trees(&self) -> Root {
        let (sys, dev) = (self.sysfs.as_deref(), self.devfs.as_deref());
        Root::at(&self.root).with_parts(sys, dev, self.ledger.as_deref())
    }
}

/// An interval that can be switched off.
fn parse_optional(text: &str) -> Result<OrNone<Duration>, String> {
    OrNone::parse(text, parse_interval)
}

#[cfg(test)]
mod tests;
