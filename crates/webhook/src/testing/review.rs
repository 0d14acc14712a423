//! Reviews and answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fpga_api::Kind;
use serde_json::{Value, json};

use crate::decide::{Decision, Outcome};
use crate::index::{Index, Object, Rules};

/// The objects of `tests/admission/objects.json`, under the default rules.
#[must_use]
pub fn index() -> Index {
    index_by(&Value::Null)
}

/// The same under the rules of these words: `mode`, `naming` and `regiondevel-name`.
#[must_use]
pub fn index_by(words: &Value) -> Index {
    let word = |name: &str| words[name].as_str();
    let rules = Rules {
        default_mode: word("mode").map(|word| word.parse().unwrap()).unwrap_or_default(),
        naming: word("naming").map(|word| word.parse().unwrap()).unwrap_or_default(),
        regiondevel: word("regiondevel-name").map(|word| word.parse().unwrap()).unwrap_or_default(),
    };
    let objects: Vec<Value> =
        serde_json::from_str(include_str!("../../tests/admission/objects.json")).unwrap();
    let index = Index::new(rules);
    for object in objects {
        let kind = match object["kind"].as_str().unwrap() {
            "AcceleratorFunction" => Kind::Function,
            _ => Kind::Region,
        };
        let text = |name: &str| object[name].as_str().unwrap().to_owned();
        index.apply(&Object::read(kind, &text("namespace"), &text("name"), &object["spec"]));
    }
    index
}

/// The review of a pod that is created, with what is in `request` instead or beside.
#[must_use]
pub fn review(namespace: &str, pod: Option<&Value>, request: &Value) -> Vec<u8> {
    let mut whole = json!({
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": { "group": "", "version": "v1", "kind": "Pod" },
        "resource": { "group": "", "version": "v1", "resource": "pods" },
        "namespace": namespace,
        "operation": "CREATE",
        "userInfo": { "username": "admin", "groups": ["system:authenticated"] },
        "object": pod,
        "oldObject": null,
        "dryRun": false,
        "options": { "apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions" },
    });
    for (name, value) in request.as_object().into_iter().flatten() {
        whole[name] = value.clone();
    }
    serde_json::to_vec(&json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": whole,
    }))
    .unwrap()
}

/// An answer, read as the API server does.
#[derive(Debug)]
pub struct Answer {
    /// What came out.
    pub outcome: Outcome,
    /// The operations of the patch, if there is one.
    pub patch: Option<Value>,
    /// Why the pod is refused.
    pub refused: Option<String>,
    /// What the user is warned of.
    pub warnings: Vec<String>,
}

impl Answer {
    /// Reads the answer of a decision.
    #[must_use]
    pub fn read(decision: &Decision) -> Self {
        let answer: Value = serde_json::from_slice(&decision.body).unwrap();
        assert_eq!(
            (&answer["kind"], &answer["apiVersion"]),
            (&json!("AdmissionReview"), &json!("admission.k8s.io/v1"))
        );
        let response = &answer["response"];
        assert!(response["uid"].is_string());
        let patch = response.get("patch").map(|patch| {
            assert_eq!(response["patchType"], "JSONPatch");
            serde_json::from_slice(&STANDARD.decode(patch.as_str().unwrap()).unwrap()).unwrap()
        });
        let is_allowed = response["allowed"].as_bool().unwrap();
        let refused =
            (!is_allowed).then(|| response["status"]["message"].as_str().unwrap().to_owned());
        let outcome = match (&patch, &refused) {
            (Some(_), None) => Outcome::Patched,
            (None, None) => Outcome::Passed,
            (None, Some(_)) => Outcome::Refused,
            (Some(_), Some(_)) => panic!("refused and patched"),
        };
        assert_eq!(outcome, decision.outcome);
        assert_eq!(refused, decision.about.refusal.as_ref().map(ToString::to_string));
        let warnings = response["warnings"].as_array().into_iter().flatten();
        let warnings = warnings.map(|warning| warning.as_str().unwrap().to_owned()).collect();
        Self { outcome, patch, refused, warnings }
    }

    /// What is compared with a case's file.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = json!({});
        if let Some(message) = &self.refused {
            json["refused"] = json!(message);
        }
        if let Some(patch) = &self.patch {
            json["patch"] = patch.clone();
        }
        if !self.warnings.is_empty() {
            json["warnings"] = json!(self.warnings);
        }
        json
    }

    /// The pod with the patch applied.
    #[must_use]
    pub fn apply(&self, pod: &Value) -> Value {
        let mut pod = pod.clone();
        if let Some(patch) = &self.patch {
            let patch: json_patch::Patch = serde_json::from_value(patch.clone()).unwrap();
            json_patch::patch(&mut pod, &patch).unwrap();
        }
        pod
    }
}
