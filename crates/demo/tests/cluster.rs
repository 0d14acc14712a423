//! The installation on a real cluster: emulated cards, the seed's pod through webhook, device plugin and hook in both
//! modes, and everything removed again.
//!
//! ```sh
//! KUBECONFIG=... cargo test -p fpga-demo --test cluster -- --ignored
//! ```
//!
//! Needs `kubectl` and a cluster without kube-fpga whose runtime knows CDI. The nodes must have the images of
//! `deploy/images/build`. Where `KUBE_FPGA_IMAGES` names the directory with the archives and `KUBE_FPGA_LOAD` a command
//! that loads one whose path is appended, the test loads them itself: `ctr -n k8s.io images import --local`, say.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A panic in a test is the failure report.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

const SYSTEM: &str = "kube-fpga-system";
const DEMO: &str = "fpga-demo";
const MODE: &str = "fpga.intel.com/device-plugin-mode";
const AF: &str = "fpga.intel.com/af-f7df405cbd7acf7222f144b0b93acd18";
/// As [`AF`], of what the second pod has programmed.
const PROGRAMMED: &str = "fpga.intel.com/af-d8424dc4a4a3c413f89e433683f9040b";
const REGION: &str = "fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6";
/// Everything that the chart can make.
const KINDS: &str = "pods,daemonsets,deployments,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets,\
                     networkpolicies,clusterroles,clusterrolebindings,mutatingwebhookconfigurations,\
                     validatingwebhookconfigurations";
/// Images are loaded already; the rest is a matter of seconds on an idle node.
const PATIENCE: Duration = Duration::from_secs(240);

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)
}

fn text(path: &str) -> String {
    deploy(path).display().to_string()
}

fn run(arguments: &[&str]) -> Output {
    Command::new("kubectl").args(arguments).output().expect("kubectl must be in the PATH")
}

/// Runs kubectl, which must succeed.
fn kubectl(arguments: &[&str]) -> String {
    let output = run(arguments);
    let [out, err] =
        [&output.stdout, &output.stderr].map(|t| String::from_utf8_lossy(t).into_owned());
    println!("$ kubectl {}\n{out}{err}", arguments.join(" "));
    assert!(output.status.success(), "kubectl {}: {err}", arguments.join(" "));
    out
}

fn json(arguments: &[&str]) -> Value {
    let output = run(&[arguments, &["-o", "json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// Waits until something is there.
fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        if Instant::now() > end {
            report();
            panic!("waited {PATIENCE:?} for {what}");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// What a person would look at.
fn report() {
    let system: [&[&str]; 4] = [
        &["-n", SYSTEM, "get", "pods", "-o", "wide"],
        &[
            "-n",
            SYSTEM,
            "logs",
            "--prefix",
            "--all-containers",
            "--tail=30",
            "-l",
            "app.kubernetes.io/name=kube-fpga",
        ],
        &["-n", DEMO, "describe", "pods"],
        &["-n", SYSTEM, "get", "events"],
    ];
    for arguments in system {
        println!("{}", String::from_utf8_lossy(&run(arguments).stdout));
    }
}

fn nodes() -> Vec<String> {
    let nodes = json(&["get", "nodes"]);
    let items = nodes["items"].as_array().into_iter().flatten();
    items.filter_map(|n| n["metadata"]["name"].as_str()).map(str::to_owned).collect()
}

/// Until some node offers the resource.
fn wait_for_resource(resource: &str) {
    wait(resource, || {
        let nodes = json(&["get", "nodes"]);
        let count = |n: &Value| n["status"]["allocatable"][resource].as_str()?.parse().ok();
        let offered = |n: &Value| count(n).is_some_and(|count: u32| count > 0);
        nodes["items"].as_array()?.iter().any(offered).then_some(())
    });
}

/// Applies a file, which the webhook may not be ready for at once: its configuration's CA takes a moment to be known to
/// the API server.
fn apply(file: &str) {
    wait(file, || {
        let output = run(&["apply", "--validate=ignore", "-f", &text(file)]);
        let words = String::from_utf8_lossy(&output.stderr);
        println!("$ kubectl apply -f {file}\n{}{words}", String::from_utf8_lossy(&output.stdout));
        output.status.success().then_some(())
    });
}

/// The pod, and what it printed, once it has ended.
fn ended(pod: &str) -> (Value, String) {
    let found = wait(pod, || {
        let found = json(&["-n", DEMO, "get", "pod", pod]);
        matches!(found["status"]["phase"].as_str(), Some("Succeeded" | "Failed")).then_some(found)
    });
    (found, kubectl(&["-n", DEMO, "logs", pod]))
}

fn succeeds(pod: &str, resource: &str) -> Value {
    let (found, words) = ended(pod);
    if found["status"]["phase"] != "Succeeded" || !words.ends_with("SUCCESS\n") {
        report();
        panic!("{pod}: {}\n{words}", found["status"]);
    }
    let container = &found["spec"]["containers"][0];
    assert_eq!(
        container["resources"]["limits"][resource], "1",
        "the webhook did not put {resource} there"
    );
    container.clone()
}

/// Removes everything, also when the test fails.
struct Installation;

impl Installation {
    fn new() -> Self {
        let found = json(&["get", "namespaces", SYSTEM, DEMO, "--ignore-not-found"]);
        assert!(found.is_null(), "kube-fpga is on this cluster already: {found}");
        load_images();
        let installation = Self;
        // What the schemas say of the manifests, deploy/check asks; this is about what the cluster does with them.
        kubectl(&["apply", "--validate=ignore", "-k", &text("overlays/emulated")]);
        installation
    }

    /// With the objects gone, the agents' specs and programs are taken off the nodes.
    fn remove() {
        for node in nodes() {
            run(&["annotate", "node", &node, &format!("{MODE}-")]);
        }
        run(&["delete", "namespace", DEMO, "--ignore-not-found"]);
        run(&["delete", "--ignore-not-found", "-k", &text("overlays/emulated")]);
        let manifest = std::fs::read_to_string(deploy("samples/uninstall.yaml")).unwrap();
        for node in nodes() {
            let file = std::env::temp_dir()
                .join(format!("kube-fpga-uninstall-{}.yaml", std::process::id()));
            std::fs::write(&file, manifest.replace("NODE", &node)).unwrap();
            let path = file.display().to_string();
            run(&["apply", "--validate=ignore", "-f", &path]);
            let done = "--for=jsonpath={.status.phase}=Succeeded";
            run(&["wait", done, "pod/kube-fpga-uninstall", "--timeout=120s"]);
            run(&["delete", "--ignore-not-found", "-f", &path]);
            let _left = std::fs::remove_file(file);
        }
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        Self::remove();
    }
}

fn load_images() {
    let (Ok(directory), Ok(load)) =
        (std::env::var("KUBE_FPGA_IMAGES"), std::env::var("KUBE_FPGA_LOAD"))
    else {
        return;
    };
    for image in ["agent", "webhook", "host", "nlb", "emulator"] {
        let archive = Path::new(&directory).join(format!("{image}.tar"));
        let status =
            Command::new("sh").args(["-c", &format!("{load} \"$0\"")]).arg(&archive).status();
        assert!(status.unwrap().success(), "loading {}", archive.display());
    }
}

#[test]
#[ignore = "needs a cluster: set KUBECONFIG"]
fn the_seeds_pod_succeeds_in_both_modes() {
    assert!(std::env::var_os("KUBECONFIG").is_some(), "KUBECONFIG is not set");
    let installation = Installation::new();
    for workload in [
        "daemonset/kube-fpga-emulator",
        "daemonset/kube-fpga-agent",
        "deployment/kube-fpga-webhook",
    ] {
        kubectl(&["-n", SYSTEM, "rollout", "status", workload, "--timeout=240s"]);
    }

    // Mode af: the function is there already; the friendly name becomes the real one.
    wait_for_resource(AF);
    apply("samples/emulated.yaml");
    let container = succeeds("test-fpga", AF);
    assert_eq!(container["resources"]["limits"].as_object().map(serde_json::Map::len), Some(1));

    // Mode region, by the node's annotation: the function is not there, and is programmed.
    for node in nodes() {
        kubectl(&["annotate", "node", &node, &format!("{MODE}=region"), "--overwrite"]);
    }
    wait_for_resource(REGION);
    apply("samples/emulated-region.yaml");
    let container = succeeds("test-fpga-region", REGION);
    let variable = |name: &str| {
        let env = container["env"].as_array().into_iter().flatten();
        env.clone().find(|e| e["name"] == name).map(|e| e["value"].clone())
    };
    assert_eq!(variable("FPGA_AFU_1"), Some("d8424dc4a4a3c413f89e433683f9040b".into()));
    assert_eq!(variable("FPGA_REGION_1"), Some("69528db6eb31577a8c3668f9faa081f6".into()));

    refuses_a_smuggler();

    // Back to af, which removes the CDI specs, and away.
    for node in nodes() {
        kubectl(&["annotate", "node", &node, &format!("{MODE}-")]);
    }
    wait_for_resource(PROGRAMMED);
    drop(installation);
    let left = json(&["get", KINDS, "-A", "-l", "app.kubernetes.io/name=kube-fpga"]);
    assert_eq!(left["items"].as_array().map(Vec::len), Some(0), "left behind: {left}");
    let crds = json(&["get", "crd", "acceleratorfunctions.fpga.intel.com", "--ignore-not-found"]);
    assert!(crds.is_null(), "left behind: {crds}");
}

/// A pod that says by itself what the hook is to program.
fn refuses_a_smuggler() {
    let sample = std::fs::read_to_string(deploy("samples/emulated-region.yaml")).unwrap();
    let pod = sample.split("---\n").last().unwrap();
    let smuggled = pod
        .replace("name: test-fpga-region", "name: smuggler")
        .replace("fpga.intel.com/arria10-nlb0-orchestrated", REGION)
        .replace(
            "      resources:\n",
            "      env:\n        - {name: FPGA_REGION_1, value: 69528db6eb31577a8c3668f9faa081f6}\n        \
             - {name: FPGA_AFU_1, value: 331db30c988541ea9081f88b8f655caa}\n      resources:\n",
        );
    assert!(smuggled.contains("FPGA_AFU_1") && smuggled.contains(REGION));
    let file = std::env::temp_dir().join(format!("kube-fpga-smuggler-{}.yaml", std::process::id()));
    std::fs::write(&file, smuggled).unwrap();
    let output = run(&["apply", "--validate=ignore", "-f", &file.display().to_string()]);
    let _left = std::fs::remove_file(file);
    let words = String::from_utf8_lossy(&output.stderr);
    println!("{words}");
    assert!(
        !output.status.success() && words.contains("denied the request"),
        "not refused: {words}"
    );
}
