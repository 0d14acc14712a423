//! The stand-in API server of `fpga_demo`, with one Node in it and the rights that an agent has.

use std::path::Path;

use fpga_demo::apiserver::{ApiServer, Asked, Resource, Verb};
use serde_json::{Value, json};

pub(crate) const NODE: &str = "worker-1";
const ANNOTATION: &str = "fpga.intel.com/device-plugin-mode";
const FUNCTIONS: &str = "acceleratorfunctions";

/// A running API server. Dropping it closes every connection.
pub(crate) struct Api(ApiServer);

impl Api {
    pub(crate) async fn start(annotation: Option<&str>) -> Self {
        Self::start_at("127.0.0.1:0", annotation).await
    }

    /// Starts again where another one was.
    pub(crate) async fn start_at(address: &str, annotation: Option<&str>) -> Self {
        let server = ApiServer::start_at(address).await.unwrap();
        server.allow(may);
        let api = Self(server);
        api.annotate(annotation);
        api
    }

    pub(crate) fn address(&self) -> String {
        self.0.address().to_string()
    }

    pub(crate) fn write_kubeconfig(&self, path: &Path) {
        self.0.write_kubeconfig(path).unwrap();
    }

    /// Sets or removes the annotation and tells who watches.
    pub(crate) fn annotate(&self, annotation: Option<&str>) {
        let annotations = annotation.map_or(json!({}), |value| json!({ ANNOTATION: value }));
        let node = json!({ "metadata": { "name": NODE, "annotations": annotations } });
        self.0.put("nodes", node).unwrap();
    }

    /// Gives the agent the rights to tell of the node and to tidy it.
    pub(crate) fn allow_writing(&self) {
        self.0.allow(|asked| {
            let is_own = asked.name.as_deref() == Some(NODE);
            may(asked)
                || match (asked.resource.plural.as_str(), asked.verb) {
                    ("events", Verb::Create) => asked.namespace == "default",
                    ("nodes", Verb::Get) => is_own,
                    ("nodes", Verb::Patch) => {
                        is_own && asked.subresource.as_deref() == Some("status")
                    }
                    _ => false,
                }
        });
    }

    /// Sets the numbers of resources in the node's status, as a kubelet does.
    pub(crate) fn set_capacity(&self, capacity: Value) {
        let status = json!({ "capacity": capacity.clone(), "allocatable": capacity });
        self.0.put("nodes", json!({ "metadata": { "name": NODE }, "status": status })).unwrap();
    }

    pub(crate) fn status(&self) -> Value {
        self.0.get("nodes", "", NODE).unwrap()["status"].clone()
    }

    /// `type reason: note` of each Event of the node.
    pub(crate) fn events(&self) -> Vec<String> {
        let text = |event: &Value| {
            assert_eq!(event["regarding"]["name"], NODE);
            let field = |name: &str| event[name].as_str().unwrap().to_owned();
            format!("{} {}: {}", field("type"), field("reason"), field("note"))
        };
        self.0.objects("events").iter().map(text).collect()
    }

    /// Ends every watch, as the real one does after some minutes.
    pub(crate) fn end_watches(&self) {
        self.0.end_watches();
    }

    /// Installs the CRD of AcceleratorFunction objects.
    pub(crate) fn install_crd(&self) {
        self.0.install(Resource::accelerator_functions());
    }

    /// Makes, changes or removes an AcceleratorFunction object and tells who watches.
    pub(crate) fn set_function(&self, name: &str, spec: Option<Value>) {
        let (namespace, name) = name.split_once('/').unwrap();
        match spec {
            Some(spec) => {
                let metadata = json!({ "namespace": namespace, "name": name });
                let object = json!({ "metadata": metadata, "spec": spec });
                self.0.put(FUNCTIONS, object).unwrap();
            }
            None => assert!(self.0.delete(FUNCTIONS, namespace, name)),
        }
    }

    /// Takes the right to see AcceleratorFunction objects away, or gives it back; watches end in any case.
    pub(crate) fn show_functions(&self, is_right: bool) {
        self.0.allow(if is_right { may } else { may_not_see_functions });
        self.0.end_watches();
    }

    /// Forgets the history and tells every watcher that what it stands on is gone.
    pub(crate) fn compact(&self) {
        self.0.compact();
    }

    /// How often the node was listed or watched.
    pub(crate) fn requests(&self, kind: &str) -> usize {
        let verb = if kind == "list" { Verb::List } else { Verb::Watch };
        self.0.requests("nodes", verb)
    }
}

pub(crate) fn write_kubeconfig(path: &Path, address: &str) {
    fpga_demo::apiserver::write_kubeconfig(path, address).unwrap();
}

/// Only the own node.
fn may_not_see_functions(asked: &Asked) -> bool {
    may(asked) && asked.resource.plural != FUNCTIONS
}

/// Only the own node, of which only the metadata, and the objects that grant.
fn may(asked: &Asked) -> bool {
    let reads = matches!(asked.verb, Verb::List | Verb::Watch);
    let is_own = asked.name.as_deref() == Some(NODE) && asked.metadata_only;
    reads && (asked.resource.plural == FUNCTIONS || asked.resource.plural == "nodes" && is_own)
}
