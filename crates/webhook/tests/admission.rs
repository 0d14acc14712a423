//! Pods as the API server sends them: what is patched, what is refused.
//!
//! Each file in `tests/admission` is a case: the pod, what of the request or of the webhook's settings is
//! unusual, and the patch, the warnings or the refusal. `UPDATE_FIXTURES=1` writes what comes out.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use fpga_webhook::decide::{Outcome, Settings, Stage, decide, decide_at};
use fpga_webhook::index::Index;
use fpga_webhook::testing::{Answer, index, index_by, review};
use serde_json::{Map, Value, json};

fn cases() -> Vec<(String, PathBuf)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/admission");
    let mut cases: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path))
        .filter(|(name, _)| name != "objects")
        .collect();
    cases.sort();
    cases
}

fn run(case: &Value, pod: Option<&Value>) -> (Index, Answer) {
    let index = index_by(&case["rules"]);
    let answer = run_at(Stage::Mutating, case, pod);
    (index, answer)
}

fn run_at(stage: Stage, case: &Value, pod: Option<&Value>) -> Answer {
    let bytes = review(case["namespace"].as_str().unwrap(), pod, &case["request"]);
    Answer::read(&decide_at(stage, &bytes, &index_by(&case["rules"]), &Settings::default()))
}

#[test]
fn each_case_comes_out_as_it_is_written() {
    let mut failures = Vec::new();
    let cases = cases();
    for (name, path) in &cases {
        let text = std::fs::read_to_string(path).unwrap();
        let mut case: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (_, answer) = run(&case, case.get("pod"));
        let found = answer.to_json();
        assert_eq!(answer.refused.is_none(), name.starts_with("accepts_"), "{name}: {found}");
        assert_ne!(answer.refused.is_none(), name.starts_with("rejects_"), "{name}: {found}");
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            case["answer"] = found.clone();
            let text = serde_json::to_string_pretty(&case).unwrap();
            std::fs::write(path, format!("{text}\n")).unwrap();
        }
        if case["answer"] != found {
            failures.push(format!("{name}: expected {}, found {found}", case["answer"]));
        }
    }
    assert!(cases.len() >= 60, "{} cases", cases.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A pod that passed passes again, as it is, when it is applied or reviewed again.
#[test]
fn what_is_accepted_is_accepted_again() {
    for (name, path) in cases().iter().filter(|(name, _)| name.starts_with("accepts_")) {
        let case: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let Some(pod) = case.get("pod").filter(|pod| !pod.is_null()) else { continue };
        let (_, answer) = run(&case, Some(pod));
        let patched = answer.apply(pod);
        let (_, again) = run(&case, Some(&patched));
        assert_eq!(again.outcome, Outcome::Passed, "{name}: {}", again.to_json());
        assert_eq!(again.patch, None, "{name}");
    }
}

/// The validating stage accepts what the mutating one leaves as it is, and nothing else; with the same words.
#[test]
fn the_second_stage_accepts_what_the_first_would_not_change() {
    let (mut accepted, mut late, mut refused) = (0, 0, 0);
    for (name, path) in cases() {
        let case: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let pod = case.get("pod");
        let (first, second) = (run(&case, pod).1, run_at(Stage::Validating, &case, pod));
        match first.outcome {
            Outcome::Passed => {
                assert_eq!(second.outcome, Outcome::Passed, "{name}: {}", second.to_json());
                accepted += 1;
            }
            Outcome::Patched => {
                let message = second.refused.unwrap_or_else(|| panic!("{name} is accepted"));
                let words = "was put into the pod by another webhook after friendly names had been replaced";
                assert!(message.contains(words), "{name}: {message}");
                let patched = first.apply(pod.unwrap());
                let again = run_at(Stage::Validating, &case, Some(&patched));
                assert_eq!(again.outcome, Outcome::Passed, "{name}: {}", again.to_json());
                assert!(again.warnings.is_empty(), "{name}: the author has been warned");
                late += 1;
            }
            Outcome::Refused => {
                assert_eq!(second.refused, first.refused, "{name}");
                refused += 1;
            }
            Outcome::BadRequest => panic!("{name}"),
        }
    }
    assert!(accepted >= 20 && late >= 30 && refused >= 50, "{accepted} {late} {refused}");
}

/// An annotation that only the device plugin gives comes into no pod later, be it the second of them or a new value.
#[test]
fn an_update_adds_no_reserved_annotation() {
    let index = index();
    let pod = |annotations: Value| {
        json!({ "metadata": { "name": "x", "annotations": annotations }, "spec": { "containers": [{
            "name": "main", "resources": { "limits": { "fpga.intel.com/gone": "1" } },
        }]}})
    };
    let ask = |new: Value, old: Value| {
        let request = json!({ "operation": "UPDATE", "oldObject": pod(old) });
        let bytes = review("vision", Some(&pod(new)), &request);
        Answer::read(&decide_at(Stage::Validating, &bytes, &index, &Settings::default())).refused
    };
    let (mode, devices) = ("com.intel.fpga.mode", "com.intel.fpga.devices");
    for (new, old, is_accepted) in [
        (json!({ "a": "b" }), json!({}), true),
        (json!({ mode: "x" }), json!({}), false),
        (json!({ devices: "x" }), json!({}), false),
        (json!({ mode: "x", "a": "b" }), json!({ mode: "x" }), true),
        (json!({ mode: "y" }), json!({ mode: "x" }), false),
        (json!({ mode: "x", devices: "x" }), json!({ mode: "x" }), false),
        (json!({ mode: "x", devices: "x" }), json!({ devices: "x" }), false),
        (json!({}), json!({ mode: "x" }), true),
    ] {
        let refused = ask(new.clone(), old.clone());
        assert_eq!(refused.is_none(), is_accepted, "{new} for {old}: {refused:?}");
    }
}

/// An ephemeral container is known by its name, wherever among the others a patch puts the new one.
#[test]
fn ephemeral_containers_are_compared_by_name() {
    let index = index();
    let container = |name: &str, function: &str| json!({ "name": name, "env": [{ "name": "FPGA_AFU_1", "value": function }] });
    let plain = json!({ "name": "plain" });
    let ask = |new: Value, old: Value| {
        let pod = |list: Value| json!({ "spec": { "ephemeralContainers": list } });
        let request = json!({
            "operation": "UPDATE", "subResource": "ephemeralcontainers", "oldObject": pod(old),
        });
        let bytes = review("vision", Some(&pod(new)), &request);
        Answer::read(&decide(&bytes, &index, &Settings::default())).outcome
    };
    let (a, b) = (container("a", "gone"), container("b", "gone"));
    assert_eq!(ask(json!([plain, a, b]), json!([a, b])), Outcome::Passed);
    assert_eq!(ask(json!([b, a]), json!([a, b])), Outcome::Passed);
    assert_eq!(ask(json!([a, b]), json!([a])), Outcome::Refused);
    assert_eq!(ask(json!([container("a", "other")]), json!([a])), Outcome::Refused);
}

/// What an update leaves as it was is not decided on again: its grant may have been taken back since.
#[test]
fn an_update_of_a_pod_that_is_there_passes() {
    let index = index();
    let pod = json!({ "metadata": { "name": "x" }, "spec": { "containers": [{
        "name": "main",
        "resources": { "limits": { "fpga.intel.com/gone": "1" } },
        "env": [{ "name": "FPGA_AFU_1", "value": "gone" }],
    }]}});
    let ask = |request: Value| {
        Answer::read(&decide(&review("vision", Some(&pod), &request), &index, &Settings::default()))
    };
    assert_eq!(ask(json!({ "operation": "UPDATE", "oldObject": pod })).outcome, Outcome::Passed);
    assert_eq!(ask(json!({ "operation": "UPDATE" })).outcome, Outcome::Refused);
    assert_eq!(ask(json!({})).outcome, Outcome::Refused);
}

/// Upstream: empty admission request. Such bytes come from no API server.
#[test]
fn what_is_no_review_is_a_bad_request() {
    let index = index();
    for (bytes, reason) in [
        (&b""[..], "the review cannot be read: EOF"),
        (b"[]", "the review cannot be read: "),
        (b"{}", "\"\" of \"\": expected AdmissionReview of admission.k8s.io/v1"),
        (
            br#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}"#,
            "\"AdmissionReview\" of \"admission.k8s.io/v1beta1\": expected",
        ),
        (
            br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#,
            "the review has no request",
        ),
        (b"{\"apiVersion\":\"\xff\"}", "the review cannot be read: "),
    ] {
        let decision = decide(bytes, &index, &Settings::default());
        let text = String::from_utf8(decision.body).unwrap();
        assert_eq!(decision.outcome, Outcome::BadRequest);
        assert!(text.starts_with(reason) && text.ends_with('\n'), "{text:?}");
        assert_eq!(text.lines().count(), 1);
    }
    let settings = Settings { review_bytes: 10, ..Settings::default() };
    assert_eq!(decide(&[b' '; 11], &index, &settings).outcome, Outcome::BadRequest);
}

/// A request with neither resource nor object is answered, and refused.
#[test]
fn a_request_about_nothing_is_refused() {
    let bytes =
        br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u"}}"#;
    let answer = Answer::read(&decide(bytes, &index(), &Settings::default()));
    assert_eq!(answer.refused.as_deref(), Some("unexpected resource type none: expected pods"));
}

#[test]
fn a_patch_that_is_too_long_is_refused() {
    let settings = Settings { patch_bytes: 100, ..Settings::default() };
    let pod = json!({ "spec": { "containers": [{
        "name": "a", "resources": { "limits": { "fpga.intel.com/nlb3-region": "1" } },
    }]}});
    let bytes = review("vision", Some(&pod), &Value::Null);
    let answer = Answer::read(&decide(&bytes, &index(), &settings));
    assert!(answer.refused.unwrap().starts_with("the changes would take more than 100 bytes"));
}

/// Who asked, for Events.
#[test]
fn the_decision_tells_what_it_was_about() {
    let pod = json!({
        "metadata": { "generateName": "job-", "ownerReferences": [
            { "apiVersion": "v1", "kind": "Node", "name": "n", "uid": "1" },
            { "apiVersion": "batch/v1", "kind": "Job", "name": "job", "uid": "2", "controller": true },
        ]},
        "spec": { "containers": [
            { "name": "a", "resources": { "limits": { "fpga.intel.com/nlb3-region": "1" } } },
        ]},
    });
    let index = index();
    let request = json!({ "dryRun": true });
    let about = decide(&review("vision", Some(&pod), &request), &index, &Settings::default()).about;
    assert_eq!((&*about.namespace, &*about.pod, about.is_dry_run), ("vision", "job-", true));
    assert_eq!(about.objects, ["nlb3-region"]);
    let owner = about.owner.unwrap();
    assert_eq!((&*owner.kind, &*owner.name, &*owner.uid), ("Job", "job", "2"));
    let refused = decide(&review("empty", Some(&pod), &Value::Null), &index, &Settings::default());
    assert_eq!(refused.about.refusal.unwrap().reason(), "FpgaUnknownFunction");
}

/// Text of a pod's author comes back in one line, and not at length.
#[test]
fn a_refusal_is_one_short_line() {
    let mut limits = Map::new();
    let name = format!("fpga.intel.com/\n\u{1b}[31m{}", "x".repeat(100_000));
    limits.insert(name, json!("1"));
    let pod = json!({ "spec": { "containers": [
        { "name": "\n".repeat(1000), "resources": { "limits": limits } },
    ]}});
    let bytes = review("vision", Some(&pod), &Value::Null);
    let answer = Answer::read(&decide(&bytes, &index(), &Settings::default()));
    let message = answer.refused.unwrap();
    assert!(message.len() < 1500 && !message.contains(char::is_control), "{message:?}");
    // And where something else is expected than a text.
    let text = Value::String("a\u{7f}é".repeat(100_000));
    let bytes = review("vision", Some(&text), &Value::Null);
    let answer = Answer::read(&decide(&bytes, &index(), &Settings::default()));
    let bad = decide(text.to_string().as_bytes(), &index(), &Settings::default());
    for message in [answer.refused.unwrap(), String::from_utf8(bad.body).unwrap()] {
        let line = message.trim_end();
        assert!(line.len() < 500 && !line.contains(char::is_control), "{line:?}");
        assert!(
            line.contains("invalid type: string") && line.contains("expected an object"),
            "{line}"
        );
    }
}
