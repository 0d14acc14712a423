//! `check`, on clusters with one thing wrong each: it must name that, and nothing else.

use std::net::TcpListener;
use std::process::Output;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fpga_demo::apiserver::Verb;
use fpga_webhook::certificates::issue::issue;
use fpga_webhook::certificates::pair::Pair;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::cluster::{
    A10, CONFIGURATIONS, Cluster, FUNCTIONS, NLB0, NLB3, Replica, VALIDATING, eventually,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const WEBHOOK: &str = "fpga-webhook: fpga.mutator.webhooks.intel.com";

/// A cluster whose API server calls a replica by a URL, and the replica.
struct Checked {
    cluster: Cluster,
    replica: Replica,
    /// In PEM, as the configuration has it.
    authority: String,
}

impl Checked {
    /// With a certificate for another 80 of 90 days.
    async fn new() -> Self {
        Self::with(&Self::pair("127.0.0.1", -10, 80)).await
    }

    /// A certificate from one day to another, counted from now. It ends an hour later, or earlier in the past, so that
    /// whole days are the same throughout a test.
    fn pair(name: &str, from: i32, until: i32) -> Pair {
        // It is valid from a day before it is made.
        let made = match from + 1 {
            days @ 0.. => SystemTime::now() + DAY * days.unsigned_abs(),
            days => SystemTime::now() - DAY * days.unsigned_abs(),
        };
        let lifetime = DAY * u32::try_from(until - from - 1).unwrap();
        let hour = DAY / 24;
        let lifetime = if until > 0 { lifetime + hour } else { lifetime - hour };
        issue(&[name.to_owned()], made, lifetime).unwrap()
    }

    /// With a certificate that somebody else made.
    async fn with(pair: &Pair) -> Self {
        let cluster = Cluster::new().await;
        cluster.api().allow(|_| true);
        let directory = cluster.directory();
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("tls.crt"), &pair.certificate).unwrap();
        std::fs::write(directory.join("tls.key"), &pair.key).unwrap();
        let replica = cluster.replica(&["--certificate-dir", directory.to_str().unwrap()]).await;
        replica.wait_ready().await;
        let checked = Self { cluster, replica, authority: pair.ca.clone() };
        checked.configure(|_| {});
        checked
    }

    /// The shipped configuration for the replica's address, changed.
    fn configure(&self, change: impl FnOnce(&mut Value)) {
        self.cluster.configure();
        self.configure_kind(VALIDATING, "/validate", |_| {});
        self.configure_kind(CONFIGURATIONS, "/pods", change);
    }

    /// One of the two.
    fn configure_kind(&self, kind: &str, path: &str, change: impl FnOnce(&mut Value)) {
        let mut configuration = self.cluster.api().get(kind, "", "fpga-webhook").unwrap();
        let webhook = &mut configuration["webhooks"][0];
        webhook["clientConfig"] = json!({
            "url": format!("https://{}{path}", self.replica.address),
            "caBundle": STANDARD.encode(&self.authority),
        });
        change(webhook);
        self.cluster.api().put(kind, configuration).unwrap();
    }

    async fn run(&self, args: &[&str]) -> Output {
        let kubeconfig = self.cluster.kubeconfig();
        run(&[&["--kubeconfig", kubeconfig.to_str().unwrap()], args].concat()).await
    }

    async fn wrong(&self) -> Vec<String> {
        wrong(&self.run(&["-q", "-o", "json"]).await)
    }

    #[track_caller]
    fn finds(&self, words: &[&str]) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let wrong = self.wrong().await;
            assert_eq!(wrong.len(), 1, "{place}: {wrong:#?}");
            for word in words {
                assert!(wrong[0].contains(word), "{place}: {word:?} is not in {:?}", wrong[0]);
            }
        }
    }
}

async fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fpga-webhook"));
    command.arg("check").args(args).output().await.unwrap()
}

/// The findings that are not ok, as `level area: object: finding: cause`; the exit code is that of the worst.
#[track_caller]
fn wrong(output: &Output) -> Vec<String> {
    let error = String::from_utf8_lossy(&output.stderr);
    let findings: Vec<Value> =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{error}"));
    let has = |level: &str| findings.iter().any(|finding| finding["level"] == level);
    let levels = [("error", 4), ("warning", 9), ("unknown", 10)];
    let code = levels.iter().find(|(level, _)| has(level)).map_or(0, |(_, code)| *code);
    assert_eq!(output.status.code(), Some(code), "{findings:#?}: {error}");
    let line = |finding: &Value| {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        assert!(finding["fix"].is_string(), "nothing to do about {finding}");
        let [level, area, object, what, cause] =
            ["level", "area", "object", "finding", "cause"].map(text);
        format!("{level} {area}: {object}: {what}: {cause}")
    };
    findings.iter().map(line).collect()
}

#[tokio::test]
async fn a_sound_webhook_is_found_sound() {
    let checked = Checked::new().await;
    assert_eq!(checked.wrong().await, [""; 0]);
    let output = checked.run(&[]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for words in [
        "LEVEL   AREA",
        &format!("ok      configuration   {WEBHOOK}"),
        "answers, with a certificate for another 80 days",
        "acceleratorfunctions",
        "fpgaregions",
        "nothing is wrong",
    ] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    // Nothing but reading.
    for verb in [Verb::Create, Verb::Update, Verb::Patch, Verb::Delete] {
        assert_eq!(checked.cluster.api().requests(CONFIGURATIONS, verb), 0, "{verb:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_ended_is_found() {
    let checked = Checked::with(&Checked::pair("127.0.0.1", -100, -10)).await;
    checked.finds(&["error certificate", WEBHOOK, "it ended 10 days ago"]).await;
}

#[tokio::test]
async fn a_certificate_that_is_about_to_end_is_found() {
    let checked = Checked::with(&Checked::pair("127.0.0.1", -90, 10)).await;
    checked.finds(&["warning certificate", "ends in", "should have been renewed"]).await;
}

#[tokio::test]
async fn a_certificate_of_the_future_is_found() {
    let checked = Checked::with(&Checked::pair("127.0.0.1", 10, 100)).await;
    checked.finds(&["error certificate", "not valid yet", "clock"]).await;
}

/// As after the certificate authority was made anew and the bundle was not.
#[tokio::test]
async fn a_certificate_of_another_authority_is_found() {
    let mut checked = Checked::new().await;
    checked.authority = Checked::pair("127.0.0.1", -10, 80).ca;
    checked.configure(|_| {});
    checked.finds(&["error certificate", "not signed by the certificate authority"]).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_found() {
    let checked = Checked::with(&Checked::pair("fpga-webhook.other.svc", -10, 80)).await;
    checked
        .finds(&["error certificate", "is for fpga-webhook.other.svc and not for", "127.0.0.1"])
        .await;
}

#[tokio::test]
async fn a_webhook_that_is_not_there_is_found() {
    let checked = Checked::new().await;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = |address| format!("https://{address}/pods");
    checked.configure(|webhook| webhook["clientConfig"]["url"] = url(address).into());
    let port = format!("127.0.0.1 port {}", address.port());
    checked.finds(&["error certificate", "does not answer", &port, "refused"]).await;
    // Another program's address, which speaks no TLS.
    checked.configure(|webhook| {
        webhook["clientConfig"]["url"] = url(checked.replica.health).into();
    });
    checked.finds(&["error certificate", "does not speak TLS"]).await;
    // One that says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    checked.configure(|webhook| webhook["clientConfig"]["url"] = url(address).into());
    let wrong = wrong(&checked.run(&["-q", "-o", "json", "--timeout", "500ms"]).await);
    assert!(wrong[0].contains("no answer within 500ms"), "{wrong:?}");
}

#[tokio::test]
async fn a_url_that_is_none_is_found() {
    let checked = Checked::new().await;
    for url in ["http://127.0.0.1/pods", "https://u@127.0.0.1/pods", "https://127.0.0.1:99999/"] {
        checked.configure(|webhook| webhook["clientConfig"]["url"] = url.into());
        checked.finds(&["error configuration", WEBHOOK, url, "is invalid"]).await;
    }
}

#[tokio::test]
async fn a_configuration_that_lets_pods_through_is_found() {
    let checked = Checked::new().await;
    checked.configure(|webhook| webhook["failurePolicy"] = "Ignore".into());
    checked.finds(&["warning configuration", WEBHOOK, "failurePolicy is Ignore"]).await;
}

#[tokio::test]
async fn a_configuration_without_an_authority_is_found() {
    let checked = Checked::new().await;
    checked.configure(|webhook| webhook["clientConfig"]["caBundle"] = "".into());
    checked.finds(&["error configuration", WEBHOOK, "caBundle is empty"]).await;
    checked.configure(|webhook| {
        webhook["clientConfig"].as_object_mut().unwrap().remove("caBundle");
    });
    checked.finds(&["error configuration", WEBHOOK, "caBundle is empty"]).await;
    let text = STANDARD.encode("not PEM");
    checked.configure(|webhook| webhook["clientConfig"]["caBundle"] = text.into());
    checked.finds(&["error certificate", WEBHOOK, "caBundle is not a certificate"]).await;
}

/// The second stage is looked at as the first is.
#[tokio::test]
async fn a_second_stage_that_checks_nothing_is_found() {
    let checked = Checked::new().await;
    let validator = "fpga.validator.webhooks.intel.com";
    let with = |change: fn(&mut Value)| {
        checked.configure(|_| {});
        checked.configure_kind(VALIDATING, "/validate", change);
    };
    with(|webhook| webhook["failurePolicy"] = "Ignore".into());
    checked.finds(&["warning configuration", validator, "failurePolicy is Ignore"]).await;
    with(|webhook| webhook["clientConfig"]["caBundle"] = "".into());
    checked.finds(&["error configuration", validator, "caBundle is empty"]).await;
    with(|webhook| webhook["clientConfig"]["url"] = "http://127.0.0.1/validate".into());
    checked.finds(&["error configuration", validator, "is invalid"]).await;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("https://{address}/validate");
    checked.configure_kind(VALIDATING, "/validate", |webhook| {
        webhook["clientConfig"]["url"] = url.into();
    });
    checked.finds(&["error certificate", validator, "does not answer"]).await;
    assert!(checked.cluster.api().delete(VALIDATING, "", "fpga-webhook"));
    let words = ["warning configuration", "ValidatingWebhookConfigurations", "nobody checks"];
    checked.finds(&words).await;
}

#[tokio::test]
async fn a_cluster_without_the_webhook_is_found() {
    let checked = Checked::new().await;
    assert!(checked.cluster.api().delete(CONFIGURATIONS, "", "fpga-webhook"));
    // Somebody else's is no substitute.
    let other = json!({
        "metadata": { "name": "somebody-elses" },
        "webhooks": [{
            "name": "pods.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": { "url": "https://192.0.2.1/" },
        }],
    });
    checked.cluster.api().put(CONFIGURATIONS, other).unwrap();
    checked.finds(&["error configuration", "no configuration for FPGAs", "not installed"]).await;
    let named = ["-q", "-o", "json", "--webhook-configuration", "mine"];
    let wrong = wrong(&checked.run(&named).await);
    assert!(wrong[0].contains("error configuration: mine"), "{wrong:?}");
}

/// A Service whose pods are gone, one of them, or none.
#[tokio::test]
async fn the_service_and_its_pods_are_looked_at() {
    let checked = Checked::with(&Checked::pair("hook.fpga.svc", -10, 80)).await;
    let port = checked.replica.address.port();
    let call = |service: &str| {
        let service = json!({ "namespace": "fpga", "name": service, "port": port });
        let change = |webhook: &mut Value| {
            let client = webhook["clientConfig"].as_object_mut().unwrap();
            client.remove("url");
            client.insert("service".to_owned(), service.clone());
        };
        checked.configure(change);
        checked.configure_kind(VALIDATING, "/validate", change);
    };
    call("hook");
    let api = checked.cluster.api();
    let metadata = json!({ "namespace": "fpga", "name": "hook" });
    let put = |service: &str, name: &str, ready: Value| {
        let metadata = json!({
            "namespace": "fpga", "name": name, "labels": { "kubernetes.io/service-name": service },
        });
        let endpoints = json!([{ "addresses": ["10.0.0.1"], "conditions": ready }]);
        let slice = json!({ "metadata": metadata, "addressType": "IPv4", "endpoints": endpoints });
        api.put("endpointslices", slice).unwrap();
    };
    checked.finds(&["error service", "Service fpga/hook", "there is no such object"]).await;

    let service = json!({ "metadata": metadata, "spec": { "clusterIP": "127.0.0.1" } });
    api.put("services", service).unwrap();
    // Those of another Service are not its own.
    put("other", "other-1", json!({ "ready": true }));
    checked.finds(&["error service", "no pod of Service fpga/hook is ready"]).await;
    put("hook", "hook-1", json!({ "ready": false }));
    checked.finds(&["error service", "no pod of Service fpga/hook is ready"]).await;
    put("hook", "hook-2", json!({ "ready": true }));
    checked.finds(&["warning service", "pods not ready: 1 of 2"]).await;
    // One that is ending is not missed; one that says nothing is ready.
    put("hook", "hook-1", json!({ "ready": false, "terminating": true }));
    assert_eq!(checked.wrong().await, [""; 0]);
    put("hook", "hook-2", json!({}));
    assert_eq!(checked.wrong().await, [""; 0]);

    // Its certificate must be for the Service's name, whatever its address.
    call("other");
    let service = json!({
        "metadata": { "namespace": "fpga", "name": "other" }, "spec": { "clusterIP": "127.0.0.1" },
    });
    api.put("services", service).unwrap();
    checked.finds(&["error certificate", "is for hook.fpga.svc and not for other.fpga.svc"]).await;
}

#[tokio::test]
async fn a_user_who_may_not_look_is_told_so() {
    let checked = Checked::new().await;
    checked.cluster.api().allow(|asked| asked.resource.plural != CONFIGURATIONS);
    checked
        .finds(&["unknown configuration", "MutatingWebhookConfigurations", "403", "may not read"])
        .await;
    // The webhook's account may read its own configuration, and that is enough.
    checked.cluster.api().allow(|asked| {
        asked.resource.plural != CONFIGURATIONS || asked.name.as_deref() == Some("fpga-webhook")
    });
    assert_eq!(checked.wrong().await, [""; 0]);
    checked.cluster.api().allow(|asked| asked.resource.plural != FUNCTIONS);
    checked.finds(&["unknown objects", FUNCTIONS, "403", "may not read"]).await;
}

#[tokio::test]
async fn a_kubeconfig_that_is_none_is_told_so() {
    let cluster = Cluster::bare().await;
    let file = cluster.kubeconfig();
    for text in ["a: [", "{current-context: a, contexts: [], clusters: [], users: []}"] {
        std::fs::write(&file, text).unwrap();
        let args = ["--kubeconfig", file.to_str().unwrap(), "-q", "-o", "json"];
        let wrong = wrong(&run(&args).await);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        for words in
            ["unknown configuration: API server: it cannot be asked", file.to_str().unwrap()]
        {
            assert!(wrong[0].contains(words), "{words:?} is not in {wrong:?}");
        }
    }
}

#[tokio::test]
async fn an_api_server_that_is_away_is_undetermined() {
    let mut checked = Checked::new().await;
    checked.cluster.stop_api();
    let wrong = checked.wrong().await;
    assert_eq!(wrong.len(), 3, "{wrong:#?}");
    assert!(wrong.iter().all(|line| line.starts_with("unknown ")), "{wrong:#?}");
}

#[tokio::test]
async fn objects_that_pods_cannot_use_are_found() {
    let checked = Checked::new().await;
    let cluster = &checked.cluster;
    let status = |name: &str| {
        let object = cluster.api().get(FUNCTIONS, "vision", name).unwrap();
        object["status"]["conditions"][0]["reason"].as_str().map(str::to_owned)
    };
    cluster.function("vision", "nlb3", json!({ "afuId": NLB3 }));
    eventually("the object has a status", || status("nlb3").is_some()).await;
    checked
        .finds(&[
            "warning objects",
            "AcceleratorFunction vision/nlb3",
            "no node offers fpga.intel.com/af-",
        ])
        .await;

    let node = json!({
        "metadata": { "name": "n1" },
        "status": { "allocatable": { format!("fpga.intel.com/af-{NLB3}"): "1" } },
    });
    cluster.api().put("nodes", node).unwrap();
    let served = || status("nlb3").as_deref() == Some("NodesAvailable");
    eventually("the object is served", served).await;
    assert_eq!(checked.wrong().await, [""; 0]);

    // Two of one name, of which the webhook gives nobody either.
    let metadata = json!({ "namespace": "vision", "name": "nlb3" });
    let region = json!({ "metadata": metadata, "spec": { "interfaceId": A10 } });
    cluster.api().put("fpgaregions", region).unwrap();
    checked.finds(&["error objects", "FpgaRegion vision/nlb3", "has the same name"]).await;
    assert!(cluster.api().delete("fpgaregions", "vision", "nlb3"));

    // What the API server's schema would have refused.
    cluster.function("vision", "bad", json!({ "afuId": "x" }));
    checked.finds(&["error objects", "AcceleratorFunction vision/bad", "it is invalid"]).await;
    assert!(cluster.api().delete(FUNCTIONS, "vision", "bad"));
}

/// Without a webhook, which would write another.
#[tokio::test]
async fn what_the_status_of_an_object_says_is_taken() {
    let cluster = Cluster::new().await;
    cluster.api().allow(|_| true);
    let kubeconfig = cluster.kubeconfig();
    let args = ["--kubeconfig", kubeconfig.to_str().unwrap(), "-q", "-o", "json"];
    // What only the webhook's own flags make invalid.
    let condition = json!({
        "type": "Ready", "status": "False", "reason": "InvalidSpec",
        "message": "it has no spec.interfaceId", "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let object = |metadata: Value, status: Value| json!({ "metadata": metadata, "spec": { "afuId": NLB0 }, "status": status });
    let at =
        |generation: u32| json!({ "namespace": "idle", "name": "nlb0", "generation": generation });
    let status = json!({ "observedGeneration": 1, "conditions": [condition] });
    for (metadata, status, words) in [
        (
            at(1),
            status.clone(),
            "error objects: AcceleratorFunction idle/nlb0: it has no spec.interfaceId",
        ),
        (
            at(2),
            status,
            "warning objects: AcceleratorFunction idle/nlb0: its status is about an earlier",
        ),
        (at(2), json!({}), "warning objects: AcceleratorFunction idle/nlb0: it has no status"),
    ] {
        cluster.api().put(FUNCTIONS, object(metadata, status)).unwrap();
        let mut wrong = wrong(&run(&args).await);
        wrong.retain(|line| line.contains("objects:"));
        assert_eq!(wrong.len(), 1, "{wrong:#?}");
        assert!(wrong[0].starts_with(words), "{words:?} does not begin {:?}", wrong[0]);
    }
}

#[tokio::test]
async fn missing_definitions_are_found() {
    let cluster = Cluster::bare().await;
    cluster.api().allow(|_| true);
    cluster.configure();
    let kubeconfig = cluster.kubeconfig();
    let args = ["--kubeconfig", kubeconfig.to_str().unwrap(), "-q", "-o", "json"];
    let wrong = wrong(&run(&args).await);
    for name in ["acceleratorfunctions.fpga.intel.com", "fpgaregions.fpga.intel.com"] {
        let start = format!("error objects: {name}: there is no such CustomResourceDefinition");
        assert!(wrong.iter().any(|line| line.starts_with(&start)), "{wrong:#?}");
    }
}

#[tokio::test]
async fn the_command_line_is_its_own() {
    // As before, without the word: what serves takes no other.
    for args in [["--mode", "orchestrated", "check"], ["--kubeconfig", "/nonexistent", "check"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fpga-webhook"));
        let output = command.args(args).output().await.unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
    }
    let output = run(&["--mode", "orchestrated"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
