//! Follows the objects on the API server and keeps the index that reviews are answered from.

use std::sync::Arc;

use fpga_api::{Condition, ConditionStatus, Kind, Manifest, READY, Status};
use fpga_cluster::reach::Reach;
use fpga_cluster::watch::{Change, Mirror};
use kube::Client;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::{oneshot, watch};

use crate::declared::Declared;
use crate::index::{Index, Object};
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::status::NO_NODE;

/// Kind, namespace and name.
pub(crate) type Key = (Kind, String, String);

/// What reviews are answered from.
#[derive(Debug)]
pub(crate) struct Known {
    /// What pods can ask for.
    pub(crate) index: Index,
    functions: Store<Declared>,
    regions: Store<Declared>,
    /// Marked whenever an object changes.
    changed: watch::Sender<()>,
}

/// Where [`follow`] puts the objects.
#[derive(Debug)]
pub(crate) struct Feed {
    functions: Writer<Declared>,
    regions: Writer<Declared>,
}

impl Known {
    /// Nothing yet.
    pub(crate) fn new(index: Index) -> (Self, Feed) {
        let (functions, regions) = (Writer::new(Kind::Function), Writer::new(Kind::Region));
        let known = Self {
            index,
            functions: functions.as_reader(),
            regions: regions.as_reader(),
            changed: watch::Sender::new(()),
        };
        (known, Feed { functions, regions })
    }

    /// True when an object's status says that no node can serve it.
    pub(crate) fn is_unservable(&self, namespace: &str, name: &str) -> bool {
        let says_so = |kind| {
            let object = self.get(&(kind, namespace.to_owned(), name.to_owned()));
            object.is_some_and(|object| says_no_node(&object.status))
        };
        says_so(Kind::Function) || says_so(Kind::Region)
    }

    /// The object as it was when it was last heard of.
    pub(crate) fn get(&self, (kind, namespace, name): &Key) -> Option<Arc<Declared>> {
        let key = ObjectRef::new_with(name, *kind).within(namespace);
        self.store(*kind).get(&key)
    }

    /// All objects that are known, in order.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        for kind in [Kind::Function, Kind::Region] {
            let key = |object: Arc<Declared>| {
                (kind, object.namespace.to_string(), object.name.to_string())
            };
            keys.extend(self.store(kind).state().into_iter().map(key));
        }
        keys.sort_unstable();
        keys
    }

    /// Changes whenever an object does.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn store(&self, kind: Kind) -> &Store<Declared> {
        match kind {
            Kind::Function => &self.functions,
            Kind::Region => &self.regions,
        }
    }
}

/// Keeps what is known, and says when it is complete for the first time. Never ends.
pub(crate) async fn follow(
    client: Client,
    feed: Feed,
    known: Arc<Known>,
    readiness: Readiness,
    metrics: Metrics,
) {
    let follower = |kind: Kind, writer| {
        let reach = Reach::new(format_args!("{kind} objects"));
        let keep = move |object| Declared::new(kind, object);
        let mirror = Mirror::filling(writer, client.clone(), kind, reach, keep);
        Follower { kind, mirror, known: Arc::clone(&known), metrics: metrics.clone() }
    };
    let (functions_done, functions_seen) = oneshot::channel();
    let (regions_done, regions_seen) = oneshot::channel();
    let both = async {
        if functions_seen.await.is_ok() && regions_seen.await.is_ok() {
            readiness.synced();
        }
    };
    tokio::join!(
        follower(Kind::Function, feed.functions).run(functions_done),
        follower(Kind::Region, feed.regions).run(regions_done),
        both,
    );
}

struct Follower {
    kind: Kind,
    mirror: Mirror<Manifest, Declared>,
    known: Arc<Known>,
    metrics: Metrics,
}

impl Follower {
    async fn run(mut self, done: oneshot::Sender<()>) {
        let mut done = Some(done);
        loop {
            let change = self.mirror.next().await;
            let is_complete = change == Change::All;
            self.take(change);
            if is_complete && let Some(done) = done.take() {
                // Nobody minds when everything ends anyway.
                let _ = done.send(());
            }
        }
    }

    fn take(&self, change: Change<Declared>) {
        let (index, kind) = (&self.known.index, self.kind);
        let object = |object: &Declared| Object {
            kind,
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            meaning: object.meaning.clone(),
        };
        match change {
            Change::All => {
                let objects = self.known.store(kind).state();
                let objects: Vec<_> = objects.iter().map(|found| object(found)).collect();
                index.replace(kind, &objects);
            }
            Change::Set(found) => index.apply(&object(&found)),
            Change::Gone(found) => index.delete(kind, &found.namespace, &found.name),
        }
        let count = index.snapshot().len();
        self.metrics.objects.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.known.changed.send_replace(());
    }
}

fn says_no_node(status: &Status) -> bool {
    status.conditions.iter().any(|Condition { type_, status, reason, .. }| {
        type_ == READY && *status == ConditionStatus::False && reason == NO_NODE
    })
}

#[cfg(test)]
mod tests {
    use fpga_api::{Condition, ConditionStatus, Status};
    use kube::runtime::watcher::Event;
    use serde_json::json;

    use super::*;
    use crate::index::Rules;

    fn status(status: ConditionStatus, reason: &str) -> Status {
        let condition = Condition {
            type_: READY.to_owned(),
            status,
            reason: reason.to_owned(),
            message: String::new(),
            last_transition_time: "2026-01-01T00:00:00Z".to_owned(),
            observed_generation: None,
        };
        Status { conditions: vec![condition], ..Status::default() }
    }

    #[test]
    fn the_status_of_an_object_says_whether_it_can_be_served() {
        assert!(says_no_node(&status(ConditionStatus::False, "NoNode")));
        assert!(!says_no_node(&status(ConditionStatus::False, "InvalidSpec")));
        assert!(!says_no_node(&status(ConditionStatus::True, "NodesAvailable")));
        assert!(!says_no_node(&Status::default()));
    }

    #[test]
    fn what_was_said_of_an_object_is_taken_back() {
        let (known, mut feed) = Known::new(Index::new(Rules::default()));
        let metadata = json!({ "namespace": "a", "name": "b" });
        let object: Manifest = serde_json::from_value(json!({ "metadata": metadata })).unwrap();
        let object = Declared::new(Kind::Region, object);
        let no_node = Box::new(status(ConditionStatus::False, NO_NODE));
        let unservable = Declared { status: no_node, ..object.clone() };
        feed.regions.apply_watcher_event(&Event::Apply(unservable.clone()));
        assert!(known.is_unservable("a", "b") && !known.is_unservable("b", "a"));
        feed.regions.apply_watcher_event(&Event::Apply(object));
        assert!(!known.is_unservable("a", "b"));
        feed.functions.apply_watcher_event(&Event::Apply(unservable.clone()));
        assert!(known.is_unservable("a", "b"));
        feed.functions.apply_watcher_event(&Event::Delete(unservable));
        assert!(!known.is_unservable("a", "b"));
    }
}
