//! Follows the objects on the API server and keeps the index that reviews are answered from.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, PoisonError, RwLock};

use fpga_api::{Kind, READY};
use kube::api::DynamicObject;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio_stream::StreamExt as _;

use crate::client::Reach;
use crate::index::{Index, Object};
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::status::resource;

/// What reviews are answered from.
#[derive(Debug)]
pub struct Known {
    /// The objects.
    pub index: Index,
    unservable: Unservable,
}

impl Known {
    /// Nothing yet.
    #[must_use]
    pub fn new(index: Index) -> Self {
        Self { index, unservable: Unservable::default() }
    }

    /// True when an object's status says that no node can serve it.
    #[must_use]
    pub fn is_unservable(&self, namespace: &str, name: &str) -> bool {
        self.unservable.has(namespace, name)
    }
}

/// Objects that no node can serve, by a hash of their names.
#[derive(Debug, Default)]
struct Unservable(RwLock<HashSet<u64>>);

impl Unservable {
    fn has(&self, namespace: &str, name: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&hash(namespace, name))
    }

    fn set(&self, namespace: &str, name: &str, is_so: bool) {
        // Most changes change nothing here.
        if self.has(namespace, name) == is_so {
            return;
        }
        let mut set = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if is_so {
            set.insert(hash(namespace, name));
        } else {
            set.remove(&hash(namespace, name));
        }
    }
}

fn hash(namespace: &str, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (namespace, name).hash(&mut hasher);
    hasher.finish()
}

/// Keeps the index, and says when it is complete for the first time. Never ends.
pub async fn follow(client: Client, known: Arc<Known>, readiness: Readiness, metrics: Metrics) {
    let follower = |kind, what| Follower {
        kind,
        known: Arc::clone(&known),
        metrics: metrics.clone(),
        arriving: Vec::new(),
        reach: Reach::new(what),
    };
    let (functions_done, functions_seen) = tokio::sync::oneshot::channel();
    let (regions_done, regions_seen) = tokio::sync::oneshot::channel();
    let both = async {
        if functions_seen.await.is_ok() && regions_seen.await.is_ok() {
            readiness.synced();
        }
    };
    tokio::join!(
        follower(Kind::Function, "AcceleratorFunction objects").run(client.clone(), functions_done),
        follower(Kind::Region, "FpgaRegion objects").run(client.clone(), regions_done),
        both,
    );
}

struct Follower {
    kind: Kind,
    known: Arc<Known>,
    metrics: Metrics,
    /// A list that is not complete yet. Until it is, what was there before counts.
    arriving: Vec<Object>,
    reach: Reach,
}

impl Follower {
    async fn run(mut self, client: Client, done: tokio::sync::oneshot::Sender<()>) {
        let mut done = Some(done);
        let api: Api<DynamicObject> = Api::all_with(client, &resource(self.kind));
        let mut events = std::pin::pin!(watcher(api, watcher::Config::default()));
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    self.reach.succeeded();
                    if self.take(event)
                        && let Some(done) = done.take()
                    {
                        // Nobody minds when everything ends anyway.
                        let _ = done.send(());
                    }
                }
                Err(error) => tokio::time::sleep(self.failed(&error)).await,
            }
        }
    }

    /// Takes an event in; true when a list has become complete.
    fn take(&mut self, event: Event<DynamicObject>) -> bool {
        let index = &self.known.index;
        let is_complete = matches!(event, Event::InitDone);
        match event {
            Event::Init => self.arriving = Vec::new(),
            Event::InitApply(object) => self.arriving.push(self.read(&object)),
            Event::InitDone => index.replace(self.kind, &std::mem::take(&mut self.arriving)),
            Event::Apply(object) => index.apply(&self.read(&object)),
            Event::Delete(object) => {
                let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
                index.delete(self.kind, &namespace, &name);
                self.known.unservable.set(&namespace, &name, false);
            }
        }
        let count = index.snapshot().len();
        self.metrics.objects.set(i64::try_from(count).unwrap_or(i64::MAX));
        is_complete
    }

    fn read(&self, object: &DynamicObject) -> Object {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let is_unservable = says_no_node(&object.data["status"]);
        self.known.unservable.set(&namespace, &name, is_unservable);
        Object::read(self.kind, &namespace, &name, &object.data["spec"])
    }

    fn failed(&mut self, error: &watcher::Error) -> std::time::Duration {
        if let watcher::Error::InitialListFailed(kube::Error::Api(answer)) = error
            && answer.code == 404
        {
            return self.reach.failed(&NoCrd(self.kind));
        }
        self.reach.watch_failed(error)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the API server knows no {0}: its CRD is not installed")]
struct NoCrd(Kind);

fn says_no_node(status: &serde_json::Value) -> bool {
    let conditions = &status["conditions"];
    let is_ready_false = |c: &serde_json::Value| c["type"] == READY && c["status"] == "False";
    conditions.as_array().is_some_and(|all| {
        all.iter().any(|c| is_ready_false(c) && c["reason"] == crate::status::NO_NODE)
    })
}

#[cfg(test)]
mod tests {
    use fpga_api::{Condition, ConditionStatus, Status};

    use super::*;

    #[test]
    fn the_status_of_an_object_says_whether_it_can_be_served() {
        let status = |status, reason: &str| {
            let condition = Condition {
                type_: READY.to_owned(),
                status,
                reason: reason.to_owned(),
                message: String::new(),
                last_transition_time: "2026-01-01T00:00:00Z".to_owned(),
                observed_generation: None,
            };
            let status = Status { conditions: vec![condition], ..Status::default() };
            serde_json::to_value(status).unwrap()
        };
        assert!(says_no_node(&status(ConditionStatus::False, "NoNode")));
        assert!(!says_no_node(&status(ConditionStatus::False, "InvalidSpec")));
        assert!(!says_no_node(&status(ConditionStatus::True, "NodesAvailable")));
        assert!(!says_no_node(&serde_json::Value::Null));
    }

    #[test]
    fn what_was_said_of_an_object_is_taken_back() {
        let set = Unservable::default();
        set.set("a", "b", true);
        assert!(set.has("a", "b") && !set.has("b", "a"));
        set.set("a", "b", false);
        assert!(!set.has("a", "b"));
    }
}
