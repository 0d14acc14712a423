//! What holds for the bytes of every review, by a second and plainer reading of them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fpga_api::Kind;
use serde_json::{Value, json};

use crate::decide::{Decision, Outcome, Settings, Stage, decide, decide_at};
use crate::index::{Index, Object, Rules};

const PREFIX: &str = "fpga.intel.com/";

/// The objects of the admission tests, and what they grant, by namespace.
pub struct World {
    index: Index,
    /// Real resources that may be asked for.
    resources: Vec<(String, String)>,
    /// Interfaces and what may be programmed into them.
    programs: Vec<(String, String, String)>,
}

impl Default for World {
    /// With the default mode preprogrammed and the plain naming.
    fn default() -> Self {
        let objects: Vec<Value> =
            serde_json::from_str(include_str!("../../tests/admission/objects.json"))
                .expect("objects");
        let index = Index::new(Rules::default());
        let (mut resources, mut programs) = (Vec::new(), Vec::new());
        for object in &objects {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (namespace, spec) = (text(&object["namespace"]), &object["spec"]);
            let kind = if object["kind"] == "FpgaRegion" { Kind::Region } else { Kind::Function };
            index.apply(&Object::read(kind, &namespace, &text(&object["name"]), spec));
            let (afu, interface) = (text(&spec["afuId"]), text(&spec["interfaceId"]));
            if kind == Kind::Region {
                resources.push((namespace, format!("{PREFIX}regiondevel-{interface}")));
            } else if afu.len() < 32 || spec["mode"] == "afoo" {
                // Faulty.
            } else if spec["mode"] == "region" || afu.len() == 40 {
                resources.push((namespace.clone(), format!("{PREFIX}region-{interface}")));
                programs.push((namespace, interface, afu));
            } else {
                resources.push((namespace, format!("{PREFIX}af-{afu}")));
            }
        }
        Self { index, resources, programs }
    }
}

impl World {
    /// Decides on a review and does nothing else, so that what it takes can be counted.
    #[must_use]
    pub fn decide(&self, bytes: &[u8]) -> Decision {
        decide(bytes, &self.index, &Settings::default())
    }

    /// Decides on a review and checks what comes out. True when the pod is let in.
    #[must_use]
    pub fn check(&self, bytes: &[u8]) -> bool {
        let decision = self.decide(bytes);
        if decision.outcome == Outcome::BadRequest {
            let text = String::from_utf8(decision.body).expect("text");
            let line = text.strip_suffix('\n').expect("a line");
            assert!(
                !line.is_empty() && line.len() < 2000 && !line.contains(char::is_control),
                "{line:?}"
            );
            return false;
        }
        let answer: Value = serde_json::from_slice(&decision.body).expect("an answer");
        let response = &answer["response"];
        let is_allowed = response["allowed"].as_bool().expect("a word");
        assert_eq!(is_allowed, decision.outcome != Outcome::Refused);
        if !is_allowed {
            let message = response["status"]["message"].as_str().expect("a reason");
            assert!(message.len() < 4000 && !message.contains(char::is_control), "{message:?}");
            assert!(response.get("patch").is_none());
        }
        // What is nested too deeply for this reading is let be.
        let Ok(review) = serde_json::from_slice::<Value>(bytes) else { return is_allowed };
        let request = &review["request"];
        if request.is_object() {
            assert_eq!(response["uid"].as_str(), Some(request["uid"].as_str().unwrap_or_default()));
        }
        let is_new = request["operation"] == "CREATE"
            && request["subResource"].as_str().unwrap_or_default().is_empty();
        if is_allowed && is_new && is_pod(&request["object"]) {
            self.admitted(&review, response);
        }
        is_allowed
    }

    fn admitted(&self, review: &Value, response: &Value) {
        let request = &review["request"];
        let mut pod = request["object"].clone();
        if let Some(patch) = response["patch"].as_str() {
            let bytes = STANDARD.decode(patch).expect("base64");
            let patch: json_patch::Patch = serde_json::from_slice(&bytes).expect("a patch");
            json_patch::patch(&mut pod, &patch).expect("a patch that applies");
        }
        let namespace = match request["namespace"].as_str().unwrap_or_default() {
            "" => pod["metadata"]["namespace"].as_str().unwrap_or_default(),
            name => name,
        };
        self.granted(namespace, &pod);
        let mut again = review.clone();
        again["request"]["object"] = pod.clone();
        // Reviewed again, as after other webhooks.
        let bytes = serde_json::to_vec(&again).expect("JSON");
        let outcome = decide(&bytes, &self.index, &Settings::default()).outcome;
        assert_eq!(outcome, Outcome::Passed, "not a fixed point: {pod}");
        // When nobody changes it any more.
        let late =
            |bytes| decide_at(Stage::Validating, bytes, &self.index, &Settings::default()).outcome;
        assert_eq!(late(&bytes), Outcome::Passed, "its own work is refused: {pod}");
        let original = serde_json::to_vec(review).expect("JSON");
        let expected =
            if response.get("patch").is_some() { Outcome::Refused } else { Outcome::Passed };
        assert_eq!(late(&original), expected, "{}", request["object"]);
    }

    /// Holds a pod that was let in to the grants of its namespace.
    fn granted(&self, namespace: &str, pod: &Value) {
        let lists = ["initContainers", "containers"].map(|list| pod["spec"][list].as_array());
        let containers: Vec<_> = lists.into_iter().flatten().flatten().collect();
        let asks = |container: &&Value| {
            let lists = ["limits", "requests"].map(|list| container["resources"][list].as_object());
            lists
                .into_iter()
                .flatten()
                .flat_map(|list| list.keys())
                .any(|name| name.starts_with(PREFIX))
        };
        if !containers.iter().any(asks) {
            return;
        }
        for container in containers {
            let mut units = BTreeMap::new();
            for list in ["limits", "requests"] {
                for (name, amount) in container["resources"][list].as_object().into_iter().flatten()
                {
                    if !name.starts_with(PREFIX) {
                        continue;
                    }
                    let key = (namespace.to_owned(), name.clone());
                    assert!(self.resources.contains(&key), "{name} without a grant");
                    units.insert(name.clone(), amount.clone());
                }
            }
            self.promised(namespace, container, &units);
        }
    }

    fn promised(&self, namespace: &str, container: &Value, units: &BTreeMap<String, Value>) {
        let env: Vec<_> = container["env"].as_array().into_iter().flatten().collect();
        // Read with less care than the webhook has: a number in whatever spelling, or none.
        let reserved = |name: &str| {
            let rest = name.strip_prefix("FPGA_REGION").or_else(|| name.strip_prefix("FPGA_AFU"));
            let number = |rest: &str| {
                rest[1..].parse::<u32>().is_ok_and(|n| rest == format!("_{n}") && n > 0)
            };
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_') && number(rest))
        };
        let reserved =
            env.iter().filter(|v| reserved(v["name"].as_str().unwrap_or_default())).count();
        assert_eq!(reserved % 2, 0, "half a promise");
        let mut regions = BTreeMap::<String, u64>::new();
        for number in 1..=reserved / 2 {
            let value = |prefix: &str| {
                let name = format!("{prefix}_{number}");
                let mut found = env.iter().filter(|v| v["name"] == name.as_str());
                let variable = found.next().unwrap_or_else(|| panic!("no {name}"));
                assert!(
                    found.next().is_none() && variable.get("valueFrom").is_none_or(Value::is_null)
                );
                variable["value"].as_str().expect("a value").to_owned()
            };
            let (region, afu) = (value("FPGA_REGION"), value("FPGA_AFU"));
            let key = (namespace.to_owned(), region.clone(), afu);
            assert!(self.programs.contains(&key), "{key:?} without a grant");
            *regions.entry(region).or_default() += 1;
        }
        for (region, promised) in regions {
            let amount = units.get(&format!("{PREFIX}region-{region}")).expect("a region");
            let amount = amount.as_str().and_then(|text| text.parse::<u64>().ok());
            assert!(amount.is_none_or(|amount| promised <= amount), "more promises than regions");
        }
    }
}

/// True for what has the shape of a pod where it matters here. The API server sends nothing else.
fn is_pod(object: &Value) -> bool {
    let is_map = |value: &Value| value.is_null() || value.is_object();
    let spec = &object["spec"];
    let lists = ["initContainers", "containers"].map(|name| &spec[name]);
    is_map(object)
        && is_map(spec)
        && is_map(&object["metadata"])
        && lists.into_iter().all(|list| {
            list.is_null()
                || list.as_array().is_some_and(|list| {
                    list.iter().all(|container| {
                        let resources = &container["resources"];
                        container.is_object()
                            && is_map(resources)
                            && is_map(&resources["limits"])
                            && is_map(&resources["requests"])
                            && container["env"]
                                .as_array()
                                .is_none_or(|env| env.iter().all(Value::is_object))
                    })
                })
        })
}

/// The review of an admission test, as the API server would send it.
#[must_use]
pub fn review_of_case(case: &Value) -> Vec<u8> {
    let mut request = json!({
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "resource": { "group": "", "version": "v1", "resource": "pods" },
        "namespace": case["namespace"],
        "operation": "CREATE",
        "object": case["pod"],
        "oldObject": null,
    });
    for (name, value) in case["request"].as_object().into_iter().flatten() {
        request[name] = value.clone();
    }
    let review = json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request,
    });
    serde_json::to_vec(&review).expect("JSON")
}
