//! The act's cluster: the stand-in API server with its objects, and the real webhook.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use fpga::id::InterfaceId;
use serde_json::{Value, json};
use tokio::process::Command;

use super::super::Stage;
use super::{NAMESPACE, NLB3};
use crate::admission::Admission;
use crate::apiserver::{ApiServer, Resource};
use crate::console::Console;
use crate::machine::{Machine, PATIENCE};
use crate::process::Process;

/// What the configuration calls the webhook.
pub(super) const WEBHOOK: &str = "fpga.mutator.webhooks.intel.com";

/// The webhook's configurations, each with its kind's name in paths.
const CONFIGURATIONS: [(&str, &str); 2] = [
    (
        "mutatingwebhookconfigurations",
        include_str!("../../../../../deploy/webhook/configuration.yaml"),
    ),
    (
        "validatingwebhookconfigurations",
        include_str!("../../../../../deploy/webhook/validating.yaml"),
    ),
];
const FUNCTIONS: &str = "acceleratorfunctions";
const FUNCTION: &str = "arria10-nlb3";
const NODE: &str = "emulated";

pub(super) struct Cluster {
    api: ApiServer,
    kubeconfig: PathBuf,
    webhook: Option<(Process, SocketAddr)>,
}

impl Cluster {
    pub(super) async fn start(
        console: &Console,
        machine: &Machine,
        interface: InterfaceId,
    ) -> anyhow::Result<Self> {
        let api = ApiServer::start().await.context("cannot start the stand-in API server")?;
        let kubeconfig = machine.file("kubeconfig");
        api.write_kubeconfig(&kubeconfig)?;
        api.install(Resource::accelerator_functions());
        api.install(Resource::fpga_regions());
        for (kind, text) in CONFIGURATIONS {
            let configuration: Value = serde_saphyr::from_str(text)?;
            api.put(kind, configuration).context("the webhook's configuration")?;
        }
        api.put("nodes", json!({ "metadata": { "name": NODE } })).context("the node")?;
        let function = json!({
            "apiVersion": "fpga.intel.com/v1",
            "kind": "AcceleratorFunction",
            "metadata": { "name": FUNCTION, "namespace": NAMESPACE },
            "spec": { "afuId": NLB3, "interfaceId": interface },
        });
        console.text(&serde_saphyr::to_string(&function)?);
        api.put(FUNCTIONS, function).context("the function")?;
        Ok(Self { api, kubeconfig, webhook: None })
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig.clone()
    }

    /// Starts the webhook and waits until it is of use.
    pub(super) async fn start_webhook(
        &mut self,
        stage: &Stage<'_>,
        console: &Console,
    ) -> anyhow::Result<()> {
        let program = stage.binaries.path("fpga-webhook");
        let mut arguments = vec![format!("--kubeconfig={}", self.kubeconfig.display())];
        arguments.extend(
            ["--mode=orchestrated", "--namespace=kube-fpga", "--server-name=127.0.0.1"]
                .map(str::to_owned),
        );
        arguments.extend(
            ["--address=127.0.0.1:0", "--health-address=none", "--shutdown-delay=1ms"]
                .map(str::to_owned),
        );
        console.command(program, &arguments);
        let mut command = Command::new(program);
        command.args(&arguments);
        command.env_remove("POD_NAME").env_remove("POD_NAMESPACE");
        let mut process = Process::start(command)?;
        let line = process.wait_for_line("--address ", PATIENCE).await?;
        let address = line.rsplit(' ').next().unwrap_or_default().parse();
        let address = address.with_context(|| format!("no address in {line:?}"))?;
        process.wait_for_line("all objects are known", PATIENCE).await?;
        process.wait_for_line("serving the certificate", PATIENCE).await?;
        process.wait_for_line("caBundle of ValidatingWebhookConfiguration", PATIENCE).await?;
        console.text(&process.log().join("\n"));
        self.webhook = Some((process, address));
        Ok(())
    }

    /// Both stages of admission, of which just the configurations' caBundle is trusted.
    pub(super) fn webhook(&self) -> anyhow::Result<Admission> {
        let (_, address) = self.webhook.as_ref().context("the webhook is not there")?;
        let [mutating, validating] =
            CONFIGURATIONS.map(|(kind, _)| self.api.get(kind, "", "fpga-webhook"));
        let (mutating, validating) = mutating.zip(validating).context("no configuration")?;
        Admission::new(*address, "127.0.0.1", &mutating, &validating)
    }

    /// What the kubelet writes into its Node object.
    pub(super) fn node_has(&self, resource: &str, count: usize) {
        let count = count.to_string();
        let status = json!({ "capacity": { resource: count }, "allocatable": { resource: count } });
        self.api.put("nodes", json!({ "metadata": { "name": NODE }, "status": status }));
    }

    /// Waits until the webhook says on the object that a node can serve it.
    pub(super) async fn wait_until_ready(&self, console: &Console) -> anyhow::Result<()> {
        let begin = Instant::now();
        loop {
            let object = self.api.get(FUNCTIONS, NAMESPACE, FUNCTION).unwrap_or_default();
            let status = &object["status"];
            let condition = &status["conditions"][0];
            if condition["status"] == "True" {
                let text = |value: &Value| value.to_string().replace('"', "");
                console.text(&format!("{:14}READY  NODES  REASON", "NAME"));
                console.text(&format!(
                    "{FUNCTION:14}{:7}{:7}{}",
                    text(&condition["status"]),
                    text(&status["nodeCount"]),
                    text(&condition["reason"]),
                ));
                return Ok(());
            }
            ensure!(begin.elapsed() < PATIENCE, "{FUNCTION} never became ready: {status}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the webhook.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        let Some((process, _)) = self.webhook else { return Ok(()) };
        let status = process.terminate(PATIENCE).await?;
        ensure!(status.success(), "fpga-webhook ended with {status} on SIGTERM");
        Ok(())
    }
}
