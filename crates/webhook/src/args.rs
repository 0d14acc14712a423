//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use fpga::duration::parse_interval;
use fpga::names::{Naming, RegionDevelName};
use fpga_cluster::http::Listen;
use fpga_cluster::logging::LogArgs;
use fpga_cluster::optional::OrNone;
use rustls::pki_types::ServerName;

use crate::check;
use crate::index::DefaultMode;
use crate::server::VALIDATING_PATH;

/// What was typed.
#[derive(Debug, Clone, Parser)]
#[command(name = "fpga-webhook", version, about, after_help = AFTER_HELP, args_override_self = true, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// Serve, where there is none.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// What functions whose object names no mode become: preprogrammed (`af-...`, loaded already) or
    /// orchestrated (`region-...`, programmed for the container).
    #[arg(long, alias = "default-mode", default_value_t, value_name = "MODE")]
    pub(crate) mode: DefaultMode,

    /// How functions are called: the same as for the agents of the cluster.
    #[arg(long, default_value_t, value_name = "NAMING")]
    pub(crate) naming: Naming,

    /// Resource that an FpgaRegion leads to: own (`regiondevel-...`), or shared with functions of region mode
    /// (`region-...`), as in Intel's plugin. The same as for the agents of the cluster.
    ///
    /// With shared, every namespace that was granted a function in region mode can get a card with its management
    /// node, by which anything can be loaded into it.
    #[arg(long, default_value_t, value_name = "NAME")]
    pub(crate) regiondevel_name: RegionDevelName,

    /// Kubeconfig of the API server; without one, the pod's service account.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Where reviews are served over HTTPS.
    #[arg(long, default_value = ":9443", value_name = "[IP]:PORT")]
    pub(crate) address: Listen,

    /// The path that pods are sent to by the MutatingWebhookConfiguration. The other configuration's is /validate.
    #[arg(long, default_value = "/pods", value_parser = parse_path, value_name = "PATH")]
    pub(crate) path: String,

    /// Where /healthz, /readyz and /metrics are served without TLS; none switches them off.
    #[arg(long, default_value = ":10271", value_name = "[IP]:PORT")]
    pub(crate) health_address: OrNone<Listen>,

    /// Namespace of the Secret, the lease and the Service; without it the service account's.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub(crate) namespace: Option<String>,

    /// What this replica calls itself in the lease and in Events; without it the host name.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub(crate) identity: Option<String>,

    /// The Service that the API server calls: the certificate is made for its name.
    #[arg(long, default_value = "fpga-webhook", value_name = "NAME")]
    pub(crate) service: String,

    /// A further name or IP address that the certificate is made for, as where the webhook is called by URL; may
    /// be given several times.
    #[arg(long, value_parser = parse_name, value_name = "NAME")]
    pub(crate) server_name: Vec<ServerName<'static>>,

    /// The Secret in which the webhook keeps the certificate that it makes.
    #[arg(long, default_value = "fpga-webhook-cert", value_name = "NAME")]
    pub(crate) secret: String,

    /// The MutatingWebhookConfiguration and the ValidatingWebhookConfiguration of this name: their caBundle is kept;
    /// none leaves it to somebody else.
    #[arg(long, default_value = "fpga-webhook", value_name = "NAME")]
    pub(crate) webhook_configuration: OrNone<String>,

    /// How long a certificate is valid, such as 90d or 12h; it is renewed with a third of that left.
    #[arg(long, default_value = "90d", value_parser = parse_interval, value_name = "TIME")]
    pub(crate) certificate_lifetime: Duration,

    /// How long API servers and replicas are given to see a new certificate's CA before it is used, and
    /// after it no longer is.
    #[arg(long, default_value = "2m", value_parser = parse_interval, value_name = "TIME")]
    pub(crate) certificate_overlap: Duration,

    /// Serve tls.crt and tls.key of this directory, read again when they change, instead of making certificates: as
    /// cert-manager's Secrets are mounted.
    #[arg(long, value_name = "DIR")]
    pub(crate) certificate_dir: Option<PathBuf>,

    /// The Lease that decides which replica renews the certificate and writes status. All serve.
    #[arg(long, default_value = "fpga-webhook", value_name = "NAME")]
    pub(crate) lease: String,

    /// How long a replica that is gone keeps the lease; at least 1s.
    #[arg(long, default_value = "60s", value_parser = parse_interval, value_name = "TIME")]
    pub(crate) lease_duration: Duration,

    /// How long new connections are still taken after SIGTERM, until every API server knows.
    #[arg(long, default_value = "5s", value_parser = parse_interval, value_name = "TIME")]
    pub(crate) shutdown_delay: Duration,

    /// Flags about log lines.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What is done instead of serving.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    Check(check::Options),
}

const AFTER_HELP: &str = "\
Examples:
  fpga-webhook
  fpga-webhook --mode orchestrated --naming encoded
  fpga-webhook --certificate-dir /certificates
  fpga-webhook check --kubeconfig $KUBECONFIG
  fpga-webhook --kubeconfig $KUBECONFIG --namespace default --server-name 127.0.0.1 --address 127.0.0.1:9443

By default the webhook makes its own certificate, keeps it in a Secret that all replicas serve from,
and keeps the caBundle of its two webhook configurations. It creates none: the chart does, or
kubectl apply -f deploy/webhook.

Times are whole numbers with a unit: 500ms, 30s, 5m, 12h, 90d.

Exit codes:
  0  stopped by SIGTERM or SIGINT, with every request answered
  1  cannot run: an address in use, no way to the API server configured
  2  wrong command line";

fn parse_path(text: &str) -> Result<String, String> {
    if text == VALIDATING_PATH {
        return Err("pods that nobody changes any more are sent there".to_owned());
    }
    if text.starts_with('/') && !text.contains(['?', '#']) {
        return Ok(text.to_owned());
    }
    Err("expected a path that begins with a slash".to_owned())
}

fn parse_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned())
        .map_err(|_| "expected a DNS name or an IP address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_port_or_an_address_with_one() {
        let parse = |line: &str| Args::try_parse_from(std::iter::once("w").chain(line.split(' ')));
        let args =
            parse("--address :9443 --health-address none --default-mode orchestrated").unwrap();
        assert_eq!(args.address, Listen::Everywhere(9443));
        assert_eq!(args.health_address, OrNone(None));
        assert_eq!(args.mode, DefaultMode::Orchestrated);
        let args = parse("--address [::1]:1 --health-address 127.0.0.1:0").unwrap();
        assert_eq!(args.address.to_string(), "[::1]:1");
        assert!(matches!(args.health_address, OrNone(Some(Listen::At(_)))));
        for wrong in [
            "--address 9443",
            "--address :",
            "--path pods",
            "--path /validate",
            "--server-name a_b/c",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
