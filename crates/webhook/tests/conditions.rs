//! The conditions under which an API server asks the webhook at all, evaluated as the API server does.

// Helpers are no test functions to the lint, but a panic in them is a test's failure report too.
#![allow(clippy::unwrap_used)]

use fpga::names;
use kube_cel::cel::{Context, Program, Value as Cel};
use serde_json::{Value, json};

const CONFIGURATION: &str = include_str!("../../../deploy/webhook/configuration.yaml");
const VALIDATING: &str = include_str!("../../../deploy/webhook/validating.yaml");
const VALIDATING_CHART: &str =
    include_str!("../../../deploy/helm/kube-fpga/files/webhook/validating.yaml");
const CHART: &str = include_str!("../../../deploy/helm/kube-fpga/files/webhook/configuration.yaml");

fn webhook() -> Value {
    let configuration: Value = serde_saphyr::from_str(CONFIGURATION).unwrap();
    configuration["webhooks"][0].clone()
}

fn validating() -> Value {
    let configuration: Value = serde_saphyr::from_str(VALIDATING).unwrap();
    configuration["webhooks"][0].clone()
}

/// Whether the API server sends a request to a webhook; what it cannot evaluate it would refuse.
fn is_sent(webhook: &Value, request: &Value, object: &Value, old: &Value) -> bool {
    let conditions = webhook["matchConditions"].as_array().unwrap();
    assert!(!conditions.is_empty());
    conditions.iter().all(|condition| {
        let program = Program::compile(condition["expression"].as_str().unwrap()).unwrap();
        let mut context = Context::default();
        for (name, value) in [("request", request), ("object", object), ("oldObject", old)] {
            context.add_variable(name, value.clone()).unwrap();
        }
        match program.execute(&context).unwrap() {
            Cel::Bool(sent) => sent,
            other => panic!("{other:?}"),
        }
    })
}

/// Whether a new pod is sent to the mutating webhook, and so to the validating one.
fn sends(spec: Value) -> bool {
    let (request, pod) =
        (json!({ "operation": "CREATE" }), json!({ "kind": "Pod", "metadata": {}, "spec": spec }));
    let [first, second] =
        [webhook(), validating()].map(|w| is_sent(&w, &request, &pod, &Value::Null));
    assert_eq!(first, second, "{pod}");
    first
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

/// Of a pod that is there nothing else of ours can be changed: who labels it or takes a finalizer from it waits for
/// nobody.
#[test]
fn updates_are_sent_that_change_what_is_ours() {
    let asks = container(json!({ "limits": { FPGA: "1" } }));
    let pod =
        |annotations: Value| json!({ "metadata": annotations, "spec": { "containers": [asks] } });
    let bare = pod(json!({}));
    let annotated =
        |name: &str, value: &str| pod(json!({ "annotations": { "a": "b", name: value } }));
    let sent =
        |request: Value, new: &Value, old: &Value| is_sent(&validating(), &request, new, old);
    let update = || json!({ "operation": "UPDATE" });
    for name in [names::CONTAINER_MODE_ANNOTATION, names::CONTAINER_DEVICES_ANNOTATION] {
        let ours = annotated(name, "x");
        assert!(sent(update(), &ours, &bare));
        assert!(sent(update(), &ours, &annotated("other", "x")));
        assert!(sent(update(), &ours, &annotated(name, "y")));
        assert!(!sent(update(), &ours, &ours));
        assert!(!sent(update(), &bare, &ours));
    }
    assert!(!sent(update(), &annotated("other", "x"), &bare));
    assert!(!sent(update(), &bare, &bare));
    let debug = json!({ "operation": "UPDATE", "subResource": "ephemeralcontainers" });
    assert!(sent(debug.clone(), &bare, &bare));
    let plain = json!({ "metadata": {}, "spec": { "containers": [container(json!({}))] } });
    assert!(!sent(debug, &plain, &plain));
}

#[test]
fn the_configuration_fails_closed() {
    for webhook in [webhook(), validating()] {
        assert_eq!(webhook["failurePolicy"], "Fail");
        assert_eq!(
            webhook["sideEffects"], "NoneOnDryRun",
            "Events are written, but not of a dry run"
        );
        assert_eq!(webhook["clientConfig"]["caBundle"], Value::Null, "the webhook fills it in");
    }
    assert_eq!(webhook()["reinvocationPolicy"], "IfNeeded");
}

/// The chart can only read files of its own: it has a copy.
#[test]
fn the_chart_has_the_same_configuration() {
    assert_eq!(CHART, CONFIGURATION, "./deploy/render copies it");
    assert_eq!(VALIDATING_CHART, VALIDATING, "./deploy/render copies it");
}
