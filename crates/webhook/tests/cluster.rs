//! The scenarios on a real cluster, whose API server must be able to reach this machine's loopback address:
//!
//!     KUBECONFIG=... cargo test -p fpga-webhook --test cluster -- --ignored
//!
//! It makes a namespace, webhook configurations for that namespace alone, and the CRDs where they are not
//! installed, and removes what it made. Pods are never started: they ask for what no node has.

// Helpers are no test functions to the lint, but a panic in them is a test's failure report too.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use fpga_demo::process::Process;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams,
};
use kube::{Client, Config, ResourceExt as _};
use serde_json::{Value, json};
use tokio::process::Command;

const LIMIT: Duration = Duration::from_secs(60);
/// The shipped configurations of both stages, with the path that each is sent to.
const CONFIGURATIONS: [(&str, &str); 2] = [
    (include_str!("../../../deploy/webhook/configuration.yaml"), "/pods"),
    (include_str!("../../../deploy/webhook/validating.yaml"), "/validate"),
];
const KINDS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];
const CRDS: [&str; 2] = [
    include_str!("../../../deploy/crds/acceleratorfunctions.fpga.intel.com.yaml"),
    include_str!("../../../deploy/crds/fpgaregions.fpga.intel.com.yaml"),
];
const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";

struct Cluster {
    client: Client,
    /// Of the namespace and the configurations.
    name: String,
    /// CRDs that were not there before.
    crds: Vec<String>,
}

impl Cluster {
    async fn new() -> Self {
        let config = Config::infer().await.expect("KUBECONFIG names no cluster");
        let client = Client::try_from(config).unwrap();
        let mut cluster = Self {
            client,
            name: format!("fpga-webhook-test-{}", std::process::id()),
            crds: Vec::new(),
        };
        for crd in CRDS {
            let crd: Value = serde_saphyr::from_str(crd).unwrap();
            let name = crd["metadata"]["name"].as_str().unwrap().to_owned();
            let definitions = cluster.api("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
            if definitions.get_opt(&name).await.unwrap().is_none() {
                cluster.crds.push(name);
                create(&definitions, crd).await.unwrap();
            }
        }
        let namespaces = cluster.api("", "v1", "Namespace");
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": cluster.name } });
        create(&namespaces, namespace).await.unwrap();
        cluster
    }

    /// A kind that is in no namespace.
    fn api(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &resource(group, version, kind))
    }

    /// A kind in the test's namespace.
    fn in_namespace(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.name, &resource(group, version, kind))
    }

    fn pods(&self) -> Api<DynamicObject> {
        self.in_namespace("", "v1", "Pod")
    }

    fn functions(&self, version: &str) -> Api<DynamicObject> {
        self.in_namespace("fpga.intel.com", version, "AcceleratorFunction")
    }

    /// The configurations of a kind.
    fn configurations(&self, kind: &str) -> Api<DynamicObject> {
        self.api("admissionregistration.k8s.io", "v1", kind)
    }

    async fn start_webhook(&self, arguments: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fpga-webhook"));
        command.arg("--kubeconfig").arg(std::env::var_os("KUBECONFIG").unwrap());
        command.args(["--namespace", &self.name, "--webhook-configuration", &self.name]);
        command.args(["--server-name", "127.0.0.1", "--address", "127.0.0.1:0"]);
        command.args(["--health-address", "none", "--lease-duration", "3s"]).args(arguments);
        command.env_remove("POD_NAME").env_remove("POD_NAMESPACE");
        let mut process = Process::start(command).unwrap();
        let line = process.wait_for_line("--address ", LIMIT).await.unwrap();
        let address = line.rsplit(' ').next().unwrap();

        // As shipped, but by URL and for one namespace.
        for (text, path) in CONFIGURATIONS {
            let mut configuration: Value = serde_saphyr::from_str(text).unwrap();
            configuration["metadata"]["name"] = json!(self.name);
            let webhook = &mut configuration["webhooks"][0];
            webhook["clientConfig"] = json!({ "url": format!("https://{address}{path}") });
            webhook["namespaceSelector"] =
                json!({ "matchLabels": { "kubernetes.io/metadata.name": self.name } });
            let kind = configuration["kind"].as_str().unwrap().to_owned();
            create(&self.configurations(&kind), configuration).await.unwrap();
        }
        for word in [
            "all objects are known",
            "serving the certificate",
            "caBundle of MutatingWebhookConfiguration",
            "caBundle of ValidatingWebhookConfiguration",
        ] {
            process.wait_for_line(word, LIMIT).await.unwrap();
        }
        process
    }

    async fn remove(self) {
        let delete = DeleteParams::default();
        for kind in KINDS {
            let _ = self.configurations(kind).delete(&self.name, &delete).await;
        }
        let _ = self.api("", "v1", "Namespace").delete(&self.name, &delete).await;
        for crd in &self.crds {
            let definitions = self.api("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
            let _ = definitions.delete(crd, &delete).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs KUBECONFIG of a cluster"]
async fn the_scenarios_on_a_real_cluster() {
    let cluster = Cluster::new().await;
    // What was made is removed, however it goes.
    let play = {
        let (client, name) = (cluster.client.clone(), cluster.name.clone());
        async move { play(&Cluster { client, name, crds: Vec::new() }).await }
    };
    let local = tokio::task::LocalSet::new();
    let played = local.run_until(async { tokio::task::spawn_local(play).await }).await;
    cluster.remove().await;
    if let Err(error) = played {
        std::panic::resume_unwind(error.into_panic());
    }
}

async fn play(cluster: &Cluster) {
    let webhook = cluster.start_webhook(&["--mode", "orchestrated"]).await;
    let spec = json!({ "afuId": NLB3, "interfaceId": A10 });
    eventually("the CRD is served", async || {
        create(&cluster.functions("v1"), function("v1", "nlb3", &spec)).await.is_ok()
    })
    .await;
    objects_are_held_to_their_schema(cluster).await;
    pods_are_changed(cluster).await;
    pods_are_refused(cluster).await;
    what_is_added_late_is_refused(cluster).await;
    objects_say_that_no_node_has_them(cluster).await;
    refusals_are_told(cluster).await;
    renewal_drops_no_pod(cluster, webhook).await;
    without_the_webhook_only_fpga_pods_wait(cluster).await;
}

async fn objects_are_held_to_their_schema(cluster: &Cluster) {
    for spec in [
        json!({ "afuId": "abc", "interfaceId": A10 }),
        json!({ "afuId": NLB3, "interfaceId": A10, "mode": "afoo" }),
        json!({ "afuId": NLB3, "mode": "region" }),
        json!({ "interfaceId": A10 }),
    ] {
        let error =
            create(&cluster.functions("v2"), function("v2", "bad", &spec)).await.unwrap_err();
        assert!(error.contains("nvalid"), "{error}");
    }
}

async fn pods_are_changed(cluster: &Cluster) {
    let region = format!("fpga.intel.com/region-{A10}");
    // The webhook may not have seen the object yet.
    let pod = admitted(cluster, pod("nlb3")).await;
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["resources"]["limits"], json!({ region.as_str(): "1" }));
    assert_eq!(container["resources"]["requests"], json!({ region.as_str(): "1" }));
    assert_eq!(
        container["env"],
        json!([
            { "name": "FPGA_REGION_1", "value": A10 }, { "name": "FPGA_AFU_1", "value": NLB3 },
        ])
    );
    // Init containers too.
    let mut with_init = self::pod("nlb3");
    with_init["spec"]["initContainers"] = with_init["spec"]["containers"].clone();
    with_init["spec"]["initContainers"][0]["name"] = json!("init");
    with_init["spec"]["containers"][0]["resources"] = json!({});
    let pod = admitted(cluster, with_init).await;
    let init = &pod["spec"]["initContainers"][0];
    assert_eq!(init["resources"]["limits"], json!({ region.as_str(): "1" }));

    // One that is kept, pending, and gets an ephemeral container.
    create(&cluster.pods(), self::pod("nlb3")).await.unwrap();
    let ephemeral = |env: Value| json!({ "spec": { "ephemeralContainers": [{ "name": "e", "image": "i", "env": env }] } });
    let patch = |body: Value| async move {
        let request = http_patch(cluster, &body);
        cluster.client.request::<Value>(request).await
    };
    let smuggled = patch(ephemeral(json!([{ "name": "FPGA_AFU_1", "value": NLB0 }]))).await;
    assert!(smuggled.unwrap_err().to_string().contains("FPGA_AFU_1"));
    patch(ephemeral(json!([]))).await.unwrap();
    cluster.pods().delete("p", &DeleteParams::default().grace_period(0)).await.unwrap();
}

async fn pods_are_refused(cluster: &Cluster) {
    let unknown = dry(cluster, pod("nlb9")).await.unwrap_err();
    assert!(unknown.contains("denied the request") && unknown.contains("nlb9"), "{unknown}");
    let mut smuggler = pod(&format!("region-{A10}"));
    smuggler["spec"]["containers"][0]["env"] = json!([{ "name": "FPGA_AFU_1", "value": NLB0 }]);
    let refused = dry(cluster, smuggler).await.unwrap_err();
    assert!(refused.contains("denied the request"), "{refused}");
    let mut both = pod("nlb3");
    both["spec"]["containers"][0]["env"] = json!([{ "name": "FPGA_AFU_1", "value": NLB0 }]);
    let refused = dry(cluster, both).await.unwrap_err();
    assert!(refused.contains("FPGA_AFU_1"), "{refused}");
}

/// Without the first stage every FPGA in a pod is as one that another webhook added after it.
async fn what_is_added_late_is_refused(cluster: &Cluster) {
    let api = cluster.configurations(KINDS[0]);
    let configuration = api.get(&cluster.name).await.unwrap();
    api.delete(&cluster.name, &DeleteParams::default()).await.unwrap();
    eventually("the first stage is not asked any more", async || {
        let late = dry(cluster, pod("nlb3")).await;
        late.is_err_and(|error| error.contains("by another webhook"))
    })
    .await;
    let refused = dry(cluster, pod(&format!("af-{NLB0}"))).await.unwrap_err();
    assert!(refused.contains("is not granted"), "{refused}");
    // By its real name, what is granted.
    let region = format!("region-{A10}");
    dry(cluster, pod(&region)).await.unwrap();
    let mut granted = pod(&region);
    let promise = |afu: &str| json!([{ "name": "FPGA_REGION_1", "value": A10 }, { "name": "FPGA_AFU_1", "value": afu }]);
    granted["spec"]["containers"][0]["env"] = promise(NLB3);
    dry(cluster, granted.clone()).await.unwrap();
    granted["spec"]["containers"][0]["env"] = promise(NLB0);
    dry(cluster, granted).await.unwrap_err();
    // A pod that is there is labelled, but gets no annotation of the device plugin.
    create(&cluster.pods(), pod(&region)).await.unwrap();
    let change = async |metadata: Value| {
        let patch = kube::api::Patch::Merge(json!({ "metadata": metadata }));
        cluster.pods().patch("p", &kube::api::PatchParams::default(), &patch).await
    };
    change(json!({ "labels": { "a": "b" }, "annotations": { "a": "b" } })).await.unwrap();
    let annotated = change(json!({ "annotations": { "com.intel.fpga.mode": "x" } })).await;
    assert!(annotated.unwrap_err().to_string().contains("com.intel.fpga.mode"));
    cluster.pods().delete("p", &DeleteParams::default().grace_period(0)).await.unwrap();
    let mut back = serde_json::to_value(configuration).unwrap();
    let name = back["metadata"]["name"].take();
    back["metadata"] = json!({ "name": name });
    create(&api, back).await.unwrap();
    admitted(cluster, pod("nlb3")).await;
}

async fn objects_say_that_no_node_has_them(cluster: &Cluster) {
    eventually("the status is written", async || {
        let object = cluster.functions("v2").get("nlb3").await.unwrap();
        let condition = &object.data["status"]["conditions"][0];
        condition["reason"].as_str().is_some_and(|r| r == "NoNode" || r == "NodesAvailable")
    })
    .await;
}

async fn refusals_are_told(cluster: &Cluster) {
    create(&cluster.pods(), pod("nlb9")).await.unwrap_err();
    let events = cluster.in_namespace("events.k8s.io", "v1", "Event");
    eventually("the refusal is told", async || {
        let all = events.list(&ListParams::default()).await.unwrap();
        all.iter().any(|event| event.data["reason"] == "FpgaRefused")
    })
    .await;
}

/// The Secret is deleted, so the certificate is replaced as after a loss; and then renewed step by step, while pods
/// are sent by the API server all the time.
async fn renewal_drops_no_pod(cluster: &Cluster, webhook: Process) {
    assert!(webhook.terminate(LIMIT).await.unwrap().success());
    let delete = DeleteParams::default();
    for kind in KINDS {
        cluster.configurations(kind).delete(&cluster.name, &delete).await.unwrap();
    }
    let secrets = cluster.in_namespace("", "v1", "Secret");
    secrets.delete("fpga-webhook-cert", &delete).await.unwrap();
    let flags =
        ["--mode", "orchestrated", "--certificate-lifetime", "35s", "--certificate-overlap", "5s"];
    let mut webhook = cluster.start_webhook(&flags).await;
    admitted(cluster, pod("nlb3")).await;
    let mut sent = 0;
    tokio::select! {
        renewed = webhook.wait_for_line("previous one retired", LIMIT) => { renewed.unwrap(); }
        () = async {
            loop {
                dry(cluster, pod("nlb3")).await.unwrap();
                sent += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        } => {}
    }
    println!("{sent} pods during a renewal, none failed");
    assert!(sent > 0);
    assert!(webhook.terminate(LIMIT).await.unwrap().success());
}

async fn without_the_webhook_only_fpga_pods_wait(cluster: &Cluster) {
    let error = dry(cluster, pod("nlb3")).await.unwrap_err();
    assert!(error.contains("failed calling webhook"), "{error}");
    let mut plain = pod("nlb3");
    plain["spec"]["containers"][0]["resources"] = json!({ "limits": { "cpu": "1" } });
    dry(cluster, plain).await.unwrap();
}

/// A pod that the webhook knows enough about to admit it.
async fn admitted(cluster: &Cluster, pod: Value) -> Value {
    let started = Instant::now();
    loop {
        match dry(cluster, pod.clone()).await {
            Ok(admitted) => return admitted,
            Err(error) => assert!(started.elapsed() < LIMIT, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn dry(cluster: &Cluster, pod: Value) -> Result<Value, String> {
    let pod: DynamicObject = serde_json::from_value(pod).unwrap();
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let created = cluster.pods().create(&params, &pod).await;
    created.map(|pod| serde_json::to_value(pod).unwrap()).map_err(|error| error.to_string())
}

async fn create(api: &Api<DynamicObject>, object: Value) -> Result<String, String> {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let created = api.create(&PostParams::default(), &object).await;
    created.map(|created| created.name_any()).map_err(|error| error.to_string())
}

fn function(version: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("fpga.intel.com/{version}"), "kind": "AcceleratorFunction",
        "metadata": { "name": name }, "spec": spec,
    })
}

/// A pod that asks for one of a resource of ours; limits alone.
fn pod(name: &str) -> Value {
    let limits = json!({ format!("fpga.intel.com/{name}"): 1 });
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" },
        "spec": {
            "automountServiceAccountToken": false,
            "containers": [{ "name": "c", "image": "i", "resources": { "limits": limits } }],
        },
    })
}

fn http_patch(cluster: &Cluster, body: &Value) -> hyper::Request<Vec<u8>> {
    let path = format!("/api/v1/namespaces/{}/pods/p/ephemeralcontainers", cluster.name);
    let kind = "application/strategic-merge-patch+json";
    let request = hyper::Request::patch(path).header("content-type", kind);
    request.body(body.to_string().into_bytes()).unwrap()
}

fn resource(group: &str, version: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < LIMIT, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
