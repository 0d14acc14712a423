//! How many reviews are decided on in a second by one core: `cargo bench -p fpga-webhook`.
//!
//! With 20 functions, and with 10,000 in 500 namespaces.

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fpga_api::Kind;
use fpga_webhook::decide::{Outcome, Settings, decide};
use fpga_webhook::index::{Index, Object, Rules};
use fpga_webhook::testing::review;
use serde_json::{Value, json};

const A10: &str = "69528db6eb31577a8c3668f9faa081f6";

fn object(number: usize, namespaces: usize) -> Object {
    let spec = json!({ "afuId": format!("{number:032x}"), "interfaceId": A10, "mode": "region" });
    let (namespace, name) =
        (format!("ns-{}", number % namespaces), format!("f-{}", number / namespaces));
    Object::read(Kind::Function, &namespace, &name, &spec)
}

fn index(functions: usize, namespaces: usize) -> Index {
    let index = Index::new(Rules::default());
    let objects: Vec<_> = (0..functions).map(|number| object(number, namespaces)).collect();
    index.replace(Kind::Function, &objects);
    index
}

/// A pod as a Deployment makes it, with what the API server and the ServiceAccount admission add, 5 KB.
fn pod(resource: &str) -> Value {
    let mounts = json!([{ "name": "kube-api-access-x7k2p", "readOnly": true,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" }]);
    let probe = json!({ "httpGet": { "path": "/healthz", "port": 8080, "scheme": "HTTP" },
        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3 });
    let env: Vec<Value> =
        (0..12).map(|n| json!({ "name": format!("SETTING_{n}"), "value": "some value" })).collect();
    let fields: Value = (0..10)
        .map(|n| (format!("f:app.kubernetes.io/label-{n}"), json!({})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "web-6d4b75cb6d-", "namespace": "ns-0", "creationTimestamp": null,
            "labels": { "app": "web", "pod-template-hash": "6d4b75cb6d" },
            "annotations": { "prometheus.io/scrape": "true", "note": "say \"hello\"" },
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d4b75cb6d",
                "uid": "5bd1ff3f-2d4c-4b5a-9d3b-3e1d1c9a7a11", "controller": true, "blockOwnerDeletion": true }],
            "managedFields": [{ "manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
                "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1",
                "fieldsV1": { "f:metadata": { "f:labels": fields }, "f:spec": fields } }],
        },
        "spec": {
            "volumes": [{ "name": "kube-api-access-x7k2p", "projected": { "defaultMode": 420, "sources": [
                { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
                { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
            ]}}],
            "containers": (0..2).map(|n| json!({
                "name": format!("c{n}"), "image": "registry.example/team/web:1.2.3", "env": env,
                "ports": [{ "containerPort": 8080, "protocol": "TCP" }],
                "resources": {
                    "limits": { "cpu": "1", "memory": "256Mi", "hugepages-2Mi": "20Mi", resource: "1" },
                    "requests": { "cpu": "1", "memory": "256Mi", "hugepages-2Mi": "20Mi", resource: "1" },
                },
                "volumeMounts": mounts, "livenessProbe": probe, "readinessProbe": probe,
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                "imagePullPolicy": "IfNotPresent", "securityContext": { "capabilities": { "add": ["IPC_LOCK"] } },
            })).collect::<Vec<_>>(),
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default", "schedulerName": "default-scheduler", "priority": 0,
            "tolerations": [{ "key": "node.kubernetes.io/not-ready", "operator": "Exists",
                "effect": "NoExecute", "tolerationSeconds": 300 }],
            "preemptionPolicy": "PreemptLowerPriority", "enableServiceLinks": true,
        },
        "status": {},
    })
}

fn bench(c: &mut Criterion) {
    let settings = Settings::default();
    for (functions, namespaces) in [(20, 1), (10_000, 500)] {
        let index = index(functions, namespaces);
        let mut group = c.benchmark_group(format!("{functions} functions"));
        group.throughput(Throughput::Elements(1));
        for (what, resource, outcome) in [
            ("mutating", "fpga.intel.com/f-7", Outcome::Patched),
            ("non-matching", "example.com/nic", Outcome::Passed),
            ("refused", "fpga.intel.com/f-x", Outcome::Refused),
        ] {
            let bytes = review("ns-0", Some(&pod(resource)), &Value::Null);
            assert_eq!(decide(&bytes, &index, &settings).outcome, outcome);
            group.bench_function(format!("{what}, {} bytes", bytes.len()), |b| {
                b.iter(|| black_box(decide(black_box(&bytes), &index, &settings)));
            });
        }
        let changed = object(3, namespaces);
        group.bench_function("an object changes", |b| b.iter(|| index.apply(black_box(&changed))));
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
