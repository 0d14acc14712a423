//! Where on a node things are, unless told otherwise.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args as ClapArgs;

/// Paths as the host knows them; one that is given is taken as it is, a default is looked for below the
/// root.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Places (the defaults are below --root)")]
pub(super) struct Places {
    /// Directory of the device plugins' sockets [default: /var/lib/kubelet/device-plugins]
    #[arg(long, value_name = "DIR")]
    pub(super) socket_dir: Option<PathBuf>,
    /// The kubelet's registration socket [default: kubelet.sock in --socket-dir]
    #[arg(long, value_name = "FILE")]
    pub(super) kubelet_socket: Option<PathBuf>,
    /// The kubelet's socket that tells which pod has which device
    /// [default: /var/lib/kubelet/pod-resources/kubelet.sock]
    #[arg(long, value_name = "FILE")]
    pub(super) pod_resources_socket: Option<PathBuf>,
    /// Where the agent answers /healthz and /readyz; none does not ask it
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:10270", value_parser = agent)]
    pub(super) agent_address: AgentAddress,
    /// Directory of the agent's CDI specs [default: /var/run/cdi]
    #[arg(long, value_name = "DIR")]
    pub(super) cdi_dir: Option<PathBuf>,
    /// Directory of hooks for CRI-O without CDI [default: /etc/containers/oci/hooks.d]
    #[arg(long, value_name = "DIR")]
    pub(super) hooks_dir: Option<PathBuf>,
    /// The hook's program [default: what the CDI specs name, else /opt/intel/fpga-sw/fpga-hook]
    #[arg(long, value_name = "FILE")]
    pub(super) hook_path: Option<PathBuf>,
    /// The container runtime's socket [default: the known ones]
    #[arg(long, value_name = "FILE")]
    pub(super) runtime_socket: Option<PathBuf>,
    /// The configuration of the container runtime [default: that of the runtime whose socket is found]
    #[arg(long, value_name = "FILE")]
    pub(super) runtime_config: Option<PathBuf>,
    /// Where the bitstreams are [default: what the CDI specs say, else /srv/intel.com/fpga]
    #[arg(long, value_name = "DIR")]
    pub(super) store: Option<PathBuf>,
    /// Which functions each namespace may have programmed
    /// [default: what the CDI specs say, else /run/kube-fpga/grants.json]
    #[arg(long, value_name = "FILE")]
    pub(super) grants: Option<PathBuf>,
    /// The node's processes [default: /proc]
    #[arg(long, value_name = "DIR")]
    pub(super) proc: Option<PathBuf>,
}

/// Where the agent answers; `None` when it is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AgentAddress(pub(super) Option<SocketAddr>);

fn agent(text: &str) -> Result<AgentAddress, String> {
    match text {
        "none" => Ok(AgentAddress(None)),
        _ => match text.parse() {
            Ok(address) => Ok(AgentAddress(Some(address))),
            Err(_) => Err("expected an IP address and a port, or none".to_owned()),
        },
    }
}
