//! A cluster for one test: a stand-in API server with the rights that the chart gives, and replicas of the webhook.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fpga_demo::admission::{Admission, Verdict, Webhook, bundle};
use fpga_demo::apiserver::{ApiServer, Asked, Resource, Verb, write_kubeconfig};
use fpga_demo::process::Process;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

/// Only against hanging for ever.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
pub(crate) const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
pub(crate) const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
pub(crate) const FUNCTIONS: &str = "acceleratorfunctions";
pub(crate) const CONFIGURATIONS: &str = "mutatingwebhookconfigurations";
pub(crate) const VALIDATING: &str = "validatingwebhookconfigurations";

const NAMESPACE: &str = "kube-fpga";
const NAME: &str = "fpga-webhook";
const MANIFEST: &str = include_str!("../../../../deploy/webhook/configuration.yaml");
const VALIDATING_MANIFEST: &str = include_str!("../../../../deploy/webhook/validating.yaml");

pub(crate) struct Cluster {
    pub(crate) api: Option<ApiServer>,
    address: String,
    temp: TempDir,
}

impl Cluster {
    /// With the CRDs and the webhook's configuration.
    pub(crate) async fn new() -> Self {
        let cluster = Self::bare().await;
        cluster.install();
        cluster
    }

    /// Without CRDs.
    pub(crate) async fn bare() -> Self {
        let temp = TempDir::new().unwrap();
        let api = start("127.0.0.1:0").await;
        let address = api.address().to_string();
        let cluster = Self { api: Some(api), address, temp };
        write_kubeconfig(&cluster.kubeconfig(), &cluster.address).unwrap();
        cluster
    }

    pub(crate) fn api(&self) -> &ApiServer {
        self.api.as_ref().unwrap()
    }

    pub(crate) fn install(&self) {
        self.api().install(Resource::accelerator_functions());
        self.api().install(Resource::fpga_regions());
        self.configure();
    }

    /// Puts the configurations back as they are installed.
    pub(crate) fn configure(&self) {
        for (kind, manifest) in [(CONFIGURATIONS, MANIFEST), (VALIDATING, VALIDATING_MANIFEST)] {
            self.api().put(kind, serde_saphyr::from_str(manifest).unwrap()).unwrap();
        }
    }

    /// The API server goes away.
    pub(crate) fn stop_api(&mut self) {
        self.api = None;
    }

    /// It comes back where it was, empty but for the CRDs and the configuration.
    pub(crate) async fn start_api(&mut self) {
        self.api = Some(start(&self.address).await);
        self.install();
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.temp.path().join("kubeconfig")
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.temp.path().join("certificates")
    }

    /// Starts a replica and waits until it listens.
    pub(crate) async fn replica(&self, arguments: &[&str]) -> Replica {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fpga-webhook"));
        command.arg("--kubeconfig").arg(self.kubeconfig());
        command.args([
            "--namespace",
            NAMESPACE,
            "--identity",
            "replica",
            "--shutdown-delay",
            "1ms",
        ]);
        command.args(["--address", "127.0.0.1:0", "--health-address", "127.0.0.1:0"]);
        command.args(["--lease-duration", "3s"]).args(arguments);
        command.env_remove("POD_NAME").env_remove("POD_NAMESPACE");
        let mut process = Process::start(command).unwrap();
        let [address, health] = [
            listening(&mut process, "--address ").await,
            listening(&mut process, "--health-address ").await,
        ];
        Replica { process, address, health }
    }

    /// A replica that is ready and that the configuration's caBundle is of.
    pub(crate) async fn ready(&self, arguments: &[&str]) -> Replica {
        let replica = self.replica(arguments).await;
        replica.wait_ready().await;
        eventually("the configurations have a bundle", || {
            let validating = self.api().get(VALIDATING, "", NAME);
            let is_there = validating.is_none_or(|found| bundle(&found).is_some());
            self.bundle().is_some() && is_there
        })
        .await;
        replica
    }

    pub(crate) fn function(&self, namespace: &str, name: &str, spec: Value) {
        let metadata = json!({ "namespace": namespace, "name": name });
        self.api().put(FUNCTIONS, json!({ "metadata": metadata, "spec": spec })).unwrap();
    }

    pub(crate) fn bundle(&self) -> Option<String> {
        bundle(&self.api().get(CONFIGURATIONS, "", NAME)?)
    }

    /// A client of a replica that trusts what the configuration says now, as the API server does.
    pub(crate) fn client(&self, replica: &Replica) -> Webhook {
        client(replica, &self.bundle().unwrap())
    }

    /// Both stages, as the API server has them.
    pub(crate) fn admission(&self, replica: &Replica) -> Admission {
        let [mutating, validating] =
            [CONFIGURATIONS, VALIDATING].map(|kind| self.api().get(kind, "", NAME).unwrap());
        let name = "fpga-webhook.kube-fpga.svc";
        Admission::new(replica.address, name, &mutating, &validating).unwrap()
    }

    pub(crate) fn certificate(&self) -> Option<Value> {
        Some(self.api().get("secrets", NAMESPACE, "fpga-webhook-cert")?["data"].clone())
    }

    pub(crate) fn lease_holder(&self) -> String {
        let lease = self.api().get("leases", NAMESPACE, NAME).unwrap_or_default();
        lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    }
}

pub(crate) fn client(replica: &Replica, bundle: &str) -> Webhook {
    Webhook::new(replica.address, "fpga-webhook.kube-fpga.svc", "/pods", bundle).unwrap()
}

pub(crate) struct Replica {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) health: SocketAddr,
}

impl Replica {
    /// Status code and text of a page without TLS.
    pub(crate) async fn page(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.health).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: w\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let code = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (code, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    pub(crate) async fn wait_ready(&self) {
        let started = Instant::now();
        loop {
            let (code, text) = self.page("/readyz").await;
            if code == 200 {
                return;
            }
            let log = self.process.log();
            assert!(started.elapsed() < LIMIT, "never ready: {text}: {log:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A pod that asks for one of a resource.
pub(crate) fn pod(resource: &str) -> Value {
    let counts = json!({ resource: "1" });
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "test-fpga-region", "namespace": "vision" },
        "spec": { "containers": [{
            "name": "c", "image": "i", "resources": { "limits": counts, "requests": counts },
        }]},
    })
}

/// The resources that the first container of an allowed pod asks for.
pub(crate) fn resources(verdict: &Verdict) -> Vec<String> {
    let Verdict::Allowed { pod, .. } = verdict else { panic!("{verdict:?}") };
    let limits = pod["spec"]["containers"][0]["resources"]["limits"].as_object().unwrap();
    limits.keys().cloned().collect()
}

/// Waits until a pod that asks for `resource` gets `expected`: `None` is a refusal.
pub(crate) async fn gets(
    cluster: &Cluster,
    replica: &Replica,
    resource: &str,
    expected: Option<&str>,
) {
    let bundle = cluster.bundle().unwrap();
    gets_by(&client(replica, &bundle), resource, expected).await;
}

pub(crate) async fn gets_by(client: &Webhook, resource: &str, expected: Option<&str>) {
    let started = Instant::now();
    loop {
        let verdict = client.ask("vision", &pod(resource)).await.unwrap();
        let is_so = match (&verdict, expected) {
            (Verdict::Refused(_), None) => true,
            (Verdict::Refused(_), Some(_)) => false,
            (Verdict::Allowed { .. }, None) => false,
            (Verdict::Allowed { .. }, Some(expected)) => resources(&verdict) == [expected],
        };
        if is_so {
            return;
        }
        assert!(started.elapsed() < LIMIT, "{resource}: {verdict:?}, not {expected:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until something that no event tells of is so.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < LIMIT, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn start(address: &str) -> ApiServer {
    let api = ApiServer::start_at(address).await.unwrap();
    api.allow(may);
    api
}

/// The rights that the chart gives the webhook.
fn may(asked: &Asked) -> bool {
    use Verb::{Create, Get, List, Patch, Update, Watch};
    let name = asked.name.as_deref();
    let is_status = asked.subresource.is_some();
    match (asked.resource.plural.as_str(), asked.verb) {
        ("acceleratorfunctions" | "fpgaregions", Get | List | Watch) => true,
        ("acceleratorfunctions" | "fpgaregions", Patch) => is_status,
        ("nodes", Get | List | Watch) => true,
        ("events", Create) => true,
        (CONFIGURATIONS | VALIDATING, Get | List | Watch | Patch) => name == Some(NAME),
        ("leases", Create) | ("secrets", Create) => asked.namespace == NAMESPACE,
        ("leases", Get | Update) => asked.namespace == NAMESPACE && name == Some(NAME),
        ("secrets", Get | List | Watch | Update) => {
            asked.namespace == NAMESPACE && name == Some("fpga-webhook-cert")
        }
        _ => false,
    }
}

async fn listening(process: &mut Process, flag: &str) -> SocketAddr {
    let line = process.wait_for_line(flag, LIMIT).await.unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}
