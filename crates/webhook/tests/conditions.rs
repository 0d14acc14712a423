//! The conditions under which an API server asks the webhook at all, evaluated as the API server does.

// Helpers are no test functions to the lint, but a panic in them is a test's failure report too.
#![allow(clippy::unwrap_used)]

use kube_cel::cel::{Context, Program, Value as Cel};
use serde_json::{Value, json};

const CONFIGURATION: &str = include_str!("../../../deploy/webhook/configuration.yaml");
const CHART: &str = include_str!("../../../deploy/helm/kube-fpga/files/webhook/configuration.yaml");

fn webhook() -> Value {
    let configuration: Value = serde_saphyr::from_str(CONFIGURATION).unwrap();
    configuration["webhooks"][0].clone()
}

/// Whether the API server sends a pod; what it cannot evaluate it would refuse.
fn sends(spec: Value) -> bool {
    let conditions = webhook()["matchConditions"].clone();
    let [condition] = conditions.as_array().unwrap().as_slice() else { panic!("{conditions}") };
    let program = Program::compile(condition["expression"].as_str().unwrap()).unwrap();
    let mut context = Context::default();
    context.add_variable("object", json!({ "kind": "Pod", "spec": spec })).unwrap();
    match program.execute(&context).unwrap() {
        Cel::Bool(sent) => sent,
        other => panic!("{other:?}"),
    }
}

fn container(resources: Value) -> Value {
    json!({ "name": "c", "image": "i", "resources": resources })
}

const FPGA: &str = "fpga.intel.com/arria10-nlb3";

#[test]
fn pods_that_ask_for_fpgas_are_sent() {
    let plain = || json!({ "name": "p", "image": "i" });
    for resources in [
        json!({ "limits": { FPGA: "1" } }),
        json!({ "requests": { FPGA: "1" } }),
        json!({ "limits": { "cpu": "1", FPGA: "1" }, "requests": { "cpu": "1" } }),
    ] {
        let asks = container(resources);
        assert!(sends(json!({ "containers": [asks] })));
        assert!(sends(json!({ "containers": [plain(), asks] })));
        assert!(sends(json!({ "containers": [plain()], "initContainers": [plain(), asks] })));
        assert!(sends(json!({ "containers": [plain()], "ephemeralContainers": [asks] })));
    }
}

#[test]
fn pods_that_ask_for_none_never_depend_on_the_webhook() {
    for spec in [
        json!({ "containers": [{ "name": "p", "image": "i" }] }),
        json!({ "containers": [container(json!({}))] }),
        json!({ "containers": [container(json!({ "limits": {}, "requests": {} }))] }),
        json!({ "containers": [container(json!({ "limits": { "cpu": "1", "nvidia.com/gpu": "1" } }))] }),
        json!({ "containers": [container(json!({ "limits": { "fpga.intel.community/x": "1" } }))] }),
        json!({ "containers": [], "initContainers": [], "ephemeralContainers": [] }),
    ] {
        assert!(!sends(spec.clone()), "{spec}");
    }
}

#[test]
fn the_configuration_fails_closed() {
    let webhook = webhook();
    assert_eq!(webhook["failurePolicy"], "Fail");
    assert_eq!(webhook["reinvocationPolicy"], "IfNeeded");
    assert_eq!(webhook["sideEffects"], "NoneOnDryRun", "Events are written, but not of a dry run");
    assert_eq!(webhook["clientConfig"]["caBundle"], Value::Null, "the webhook fills it in");
}

/// The chart can only read files of its own: it has a copy.
#[test]
fn the_chart_has_the_same_configuration() {
    assert_eq!(CHART, CONFIGURATION, "./deploy/render copies it");
}
