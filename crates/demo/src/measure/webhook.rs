//! The admission webhook: latency and throughput over real TLS connections, memory, renewals under load.

mod load;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use super::Figure;
use super::agent::{cpu_time, resident_kib};
use crate::admission::{Webhook, bundle};
use crate::apiserver::{ApiServer, Resource};
use crate::binaries::Binaries;
use crate::machine::PATIENCE;
use crate::process::Process;
use load::Load;

const CONFIGURATION: &str = include_str!("../../../../deploy/webhook/configuration.yaml");
const CONFIGURATIONS: &str = "mutatingwebhookconfigurations";

/// For each of the loads.
const LASTS: Duration = Duration::from_secs(10);
/// Of the load that latency is measured under.
const RATE: u32 = 1000;

/// A cluster with `namespaces` in which there are `functions` together, and a webhook that knows them.
struct Cluster {
    api: ApiServer,
    webhook: Process,
    address: std::net::SocketAddr,
    _directory: tempfile::TempDir,
}

impl Cluster {
    async fn start(
        binaries: &Binaries,
        functions: usize,
        namespaces: usize,
    ) -> anyhow::Result<Self> {
        let directory = crate::scratch::directory("fpga-measure-")?;
        let api = ApiServer::start().await?;
        let kubeconfig = directory.path().join("kubeconfig");
        api.write_kubeconfig(&kubeconfig)?;
        api.install(Resource::accelerator_functions());
        api.install(Resource::fpga_regions());
        let configuration: Value = serde_saphyr::from_str(CONFIGURATION)?;
        api.put(CONFIGURATIONS, configuration).context("the configuration")?;
        for n in 0..functions {
            let namespace = format!("team-{}", n % namespaces);
            let metadata = json!({ "namespace": namespace, "name": format!("function-{n}") });
            let spec = json!({
                "afuId": format!("{:032x}", n + 1), "interfaceId": "69528db6eb31577a8c3668f9faa081f6", "mode": "region",
            });
            api.put("acceleratorfunctions", json!({ "metadata": metadata, "spec": spec }));
        }
        let mut command = Command::new(binaries.path("fpga-webhook"));
        command.arg("--kubeconfig").arg(&kubeconfig).args(["--namespace", "kube-fpga"]);
        command.args(["--address", "127.0.0.1:0", "--health-address", "none"]);
        // A renewal falls into every load: it begins with a third of the time left.
        command.args(["--certificate-lifetime", "14s", "--certificate-overlap", "2s"]);
        command.args(["--shutdown-delay", "1ms"]);
        command.env_remove("POD_NAME").env_remove("POD_NAMESPACE");
        let mut webhook = Process::start(command)?;
        let line = webhook.wait_for_line("--address ", PATIENCE).await?;
        let address = line.rsplit(' ').next().unwrap_or_default().parse()?;
        for word in ["all objects are known", "serving the certificate", "caBundle"] {
            webhook.wait_for_line(word, PATIENCE).await?;
        }
        Ok(Self { api, webhook, address, _directory: directory })
    }

    /// The webhook, as trusted now.
    fn client(&self) -> anyhow::Result<Webhook> {
        let configuration = self.api.get(CONFIGURATIONS, "", "fpga-webhook");
        let bundle = configuration.as_ref().and_then(bundle).context("no caBundle")?;
        Webhook::new(self.address, "fpga-webhook.kube-fpga.svc", "/pods", &bundle)
    }

    fn memory(&self) -> anyhow::Result<f64> {
        resident_kib(self.webhook.pid())
    }

    fn renewals(&self) -> usize {
        self.webhook.log().iter().filter(|line| line.contains("next one in use")).count()
    }

    async fn stop(self) -> anyhow::Result<()> {
        let status = self.webhook.terminate(PATIENCE).await?;
        ensure!(status.success(), "fpga-webhook ended with {status}");
        Ok(())
    }
}

/// Measures with 20 and with 10,000 functions.
pub(super) async fn run(binaries: &Binaries) -> anyhow::Result<Vec<Figure>> {
    let few = Cluster::start(binaries, 20, 1).await?;
    // What the start took is given back by then, or never.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = few.memory()?;
    few.stop().await?;

    let many = Arc::new(Cluster::start(binaries, 10_000, 500).await?);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let large = many.memory()?;
    let latency = Load::new("function-7", "team-7").at_rate(&many, RATE, LASTS).await?;
    let mutations = Load::new("function-7", "team-7").as_fast_as_it_goes(&many, LASTS).await?;
    let passes = Load::without_fpga().as_fast_as_it_goes(&many, LASTS).await?;
    ensure!(many.renewals() > 0, "no certificate was renewed during the loads");
    let renewals = many.renewals();
    let many = Arc::into_inner(many).context("a client is still there")?;
    many.stop().await?;
    let load = format!("requests/s of a core, 64 connections, {renewals} renewals, 0 failed");
    Ok(vec![
        Figure::new("webhook_p50_ms", latency.quantile_ms(0.5), "ms at 1,000 requests/s"),
        Figure::new("webhook_p99_ms", latency.quantile_ms(0.99), "ms at 1,000 requests/s"),
        Figure::new("webhook_mutations_per_s_core", mutations, &load),
        Figure::new("webhook_passes_per_s_core", passes, &load),
        Figure::new("webhook_rss_kib_20", idle, "KiB"),
        Figure::new("webhook_rss_kib_10000", large, "KiB"),
    ])
}
