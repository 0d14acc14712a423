//! `fpga-webhook check`: whether the API server can reach the webhook and believes its certificate, and which objects
//! pods cannot use.
//!
//! It asks the API server what the API server knows, and then does what the API server does for every pod: it connects
//! to the address of the configuration and trusts nothing but the configuration's `caBundle`. Nothing is changed.

mod address;
mod asking;
mod certificate;
mod configuration;
mod objects;
mod service;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use fpga::duration;
use fpga_cluster::api::Server;
use fpga_findings::{Finding, Level};

use crate::config::source;
use asking::Asking;

/// Check what the cluster knows of the webhook, its certificate and the objects
///
/// Reads the two webhook configurations, their Service and the pods behind it, and every AcceleratorFunction and
/// FpgaRegion; connects to the webhook as the API server does and judges its certificate by caBundle. Nothing is
/// changed. Run it where the Service can be reached: on a node, or in the webhook's own pod.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// Kubeconfig of the API server; without one, the pod's service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// The name of the configurations; without it those whose webhooks have fpga in their names
    #[arg(long, value_name = "NAME")]
    webhook_configuration: Option<String>,

    /// How long each answer may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration::parse)]
    timeout: Duration,

    /// Print what is wrong and nothing else
    #[arg(short, long)]
    quiet: bool,

    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Form {
    /// Text for people
    #[default]
    Table,
    /// The same as JSON
    Json,
}

const HELP: &str = "\
Examples:
  fpga-webhook check --kubeconfig ~/.kube/config
  fpga-webhook check --kubeconfig ~/.kube/config -q -o json | jq -r '.[].fix'
  kubectl -n kube-fpga-system exec deploy/kube-fpga-webhook -- /fpga-webhook check

Exit codes, by the worst level:
   0  ok: nothing is wrong
   1  the findings cannot be written
   2  wrong command line
   4  error: something does not work
   9  warning: it works, but not for everybody, not safely or not for long
  10  unknown: something could not be determined, and nothing worse was found";

/// Where a replica's own messages are.
const LOGS: &str =
    "kubectl get pods -A -o wide | grep fpga-webhook; kubectl logs -n NAMESPACE deploy/NAME";

/// Checks and prints what was found.
///
/// # Errors
/// When nothing can be started or written.
pub(crate) fn run(options: &Options) -> io::Result<Level> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut findings = runtime.block_on(check(options));
    let worst = fpga_findings::worst(&findings);
    if options.quiet {
        findings.retain(|finding| finding.level != Level::Ok);
    }
    let text = match options.output {
        Form::Table => fpga_findings::report(&findings, worst),
        Form::Json => serde_json::to_string_pretty(&findings)? + "\n",
    };
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // Its reader has what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(worst),
        written => written.map(|()| worst),
    }
}

async fn check(options: &Options) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Both configurations have one Service, of which the same is found twice.
    let mut report = |finding| {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    };
    match Server::new(source(options.kubeconfig.clone())).client().await {
        Ok(client) => {
            let asking = Asking::new(client, options.timeout);
            let wanted = options.webhook_configuration.as_deref();
            for target in configuration::targets(&asking, wanted, &mut report).await {
                report(certificate::ask(&target, options.timeout).await);
            }
            objects::check(&asking, &mut report).await;
        }
        Err(error) => report(
            Finding::unknown("API server", "it cannot be asked")
                .because(error)
                .fix("fpga-webhook check --kubeconfig FILE")
                .in_area(configuration::AREA),
        ),
    }
    findings
}
