//! Says on each object whether some node can serve it, while this replica holds the lease.

mod nodes;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fpga_api::{Condition, ConditionStatus, Kind, Meaning, Status};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::watch;
use tokio_stream::StreamExt as _;

use crate::client::Reach;
use crate::events::{Events, Notice};
use crate::index::{Offer, Rules};
use nodes::Offers;
pub use verdict::NO_NODE;

/// Changes of nodes come in bursts; what they amount to is written after this time.
const QUIET: Duration = Duration::from_millis(500);
/// Between two writes, so that a thousand objects are no load to speak of.
const PACE: Duration = Duration::from_millis(10);

/// Writes status whenever `leads` is true. Never ends.
pub async fn write(client: Client, rules: Rules, events: Events, mut leads: watch::Receiver<bool>) {
    loop {
        if leads.wait_for(|leads| *leads).await.is_err() {
            return std::future::pending().await;
        }
        let mut writer = Writer {
            client: client.clone(),
            rules,
            events: events.clone(),
            offers: Offers::default(),
            objects: BTreeMap::new(),
            dirty: BTreeSet::new(),
        };
        tokio::select! {
            () = writer.run() => {}
            _ = leads.wait_for(|leads| !*leads) => {}
        }
    }
}

/// Kind, namespace and name.
type Key = (Kind, String, String);

struct Tracked {
    uid: Option<String>,
    generation: Option<i64>,
    /// The resource, or why there is none.
    resource: Result<Arc<str>, String>,
    /// What is written on it.
    status: Box<Status>,
}

struct Writer {
    client: Client,
    rules: Rules,
    events: Events,
    offers: Offers,
    objects: BTreeMap<Key, Tracked>,
    /// What is to be looked at.
    dirty: BTreeSet<Key>,
}

impl Writer {
    async fn run(&mut self) {
        let every = watcher::Config::default();
        let mut nodes = std::pin::pin!(watcher(Api::all(self.client.clone()), every.clone()));
        let functions = Api::all_with(self.client.clone(), &resource(Kind::Function));
        let mut functions = std::pin::pin!(watcher(functions, every.clone()));
        let regions = Api::all_with(self.client.clone(), &resource(Kind::Region));
        let mut regions = std::pin::pin!(watcher(regions, every));
        let (mut reach_nodes, mut reach_objects) =
            (Reach::new("nodes"), Reach::new("status of objects"));
        loop {
            let due = async {
                if self.dirty.is_empty() || !self.offers.is_complete() {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(QUIET).await;
            };
            let pause = tokio::select! {
                Some(event) = nodes.next() => match event {
                    Ok(event) => {
                        reach_nodes.succeeded();
                        self.nodes_changed(event);
                        Duration::ZERO
                    }
                    Err(error) => reach_nodes.watch_failed(&error),
                },
                Some(event) = functions.next() => {
                    self.object_changed(Kind::Function, event, &mut reach_objects)
                }
                Some(event) = regions.next() => {
                    self.object_changed(Kind::Region, event, &mut reach_objects)
                }
                () = due => self.write_dirty(&mut reach_objects).await,
            };
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }

    fn nodes_changed(&mut self, event: Event<nodes::NodeOffer>) {
        let changed = self.offers.take(event);
        let of_changed = |tracked: &Tracked| {
            tracked.resource.as_ref().is_ok_and(|resource| changed.contains(&**resource))
        };
        // What nobody offered and nobody offers now is told so once all nodes are known.
        let untold = |tracked: &Tracked| tracked.status.conditions.is_empty();
        let affected =
            self.objects.iter().filter(|(_, tracked)| of_changed(tracked) || untold(tracked));
        self.dirty.extend(affected.map(|(key, _)| key.clone()));
    }

    fn object_changed(
        &mut self,
        kind: Kind,
        event: Result<Event<DynamicObject>, watcher::Error>,
        reach: &mut Reach,
    ) -> Duration {
        match event {
            Ok(event) => {
                reach.succeeded();
                match event {
                    Event::Init | Event::InitDone => {}
                    Event::InitApply(object) | Event::Apply(object) => self.track(kind, object),
                    Event::Delete(object) => {
                        let key = key(kind, &object);
                        self.objects.remove(&key);
                        self.dirty.remove(&key);
                    }
                }
                Duration::ZERO
            }
            Err(error) => reach.watch_failed(&error),
        }
    }

    fn track(&mut self, kind: Kind, mut object: DynamicObject) {
        let key = key(kind, &object);
        let meaning = Meaning::read(kind, &key.2, &object.data["spec"]);
        let resource = Offer::of(&meaning, self.rules).map(|offer| offer.resource);
        let status = serde_json::from_value(object.data["status"].take()).unwrap_or_default();
        let metadata = object.metadata;
        let (uid, generation) = (metadata.uid, metadata.generation);
        let tracked = Tracked { uid, generation, resource, status: Box::new(status) };
        self.objects.insert(key.clone(), tracked);
        self.dirty.insert(key);
    }

    /// Writes what is to be written until something fails. Returns how long to wait then.
    async fn write_dirty(&mut self, reach: &mut Reach) -> Duration {
        while let Some(key) = self.dirty.pop_first() {
            let Some(tracked) = self.objects.get(&key) else { continue };
            let now = k8s_openapi::jiff::Timestamp::now().to_string();
            let verdict = verdict::Verdict::of(&tracked.resource, &self.offers);
            let Some(status) = verdict.status(&tracked.status, tracked.generation, &now) else {
                continue;
            };
            let (kind, namespace, name) = &key;
            let api: Api<DynamicObject> =
                Api::namespaced_with(self.client.clone(), namespace, &resource(*kind));
            let patch = Patch::Merge(verdict::patch(&status));
            match api.patch_status(name, &PatchParams::default(), &patch).await {
                Ok(_) => self.written(&key, status),
                // It was removed meanwhile.
                Err(kube::Error::Api(answer)) if answer.code == 404 => {}
                Err(error) => {
                    self.dirty.insert(key);
                    return reach.failed(&error);
                }
            }
            tokio::time::sleep(PACE).await;
        }
        Duration::ZERO
    }

    fn written(&mut self, key: &Key, status: Status) {
        let Some(tracked) = self.objects.get_mut(key) else { return };
        let old = tracked.status.conditions.first().map(|old| (old.status, old.reason.clone()));
        *tracked.status = status;
        let Some(Condition { status, reason, message, .. }) = tracked.status.conditions.first()
        else {
            return;
        };
        let is_news = old.as_ref() != Some(&(*status, reason.clone()));
        let is_ready = *status == ConditionStatus::True;
        // That all is well is news only after it was not.
        if !is_news || is_ready && old.is_none() {
            return;
        }
        let (kind, namespace, name) = key;
        self.events.send(Notice {
            regarding: ObjectReference {
                api_version: Some(format!("{}/{}", fpga_api::GROUP, fpga_api::STORAGE_VERSION)),
                kind: Some(kind.as_str().to_owned()),
                namespace: Some(namespace.clone()),
                name: Some(name.clone()),
                uid: tracked.uid.clone(),
                ..ObjectReference::default()
            },
            reason: verdict::reason(reason),
            note: message.clone(),
            is_warning: !is_ready,
        });
    }
}

/// How objects of a kind are asked for.
#[must_use]
pub fn resource(kind: Kind) -> ApiResource {
    let gvk = GroupVersionKind::gvk(fpga_api::GROUP, fpga_api::STORAGE_VERSION, kind.as_str());
    ApiResource::from_gvk_with_plural(&gvk, kind.plural())
}

fn key(kind: Kind, object: &DynamicObject) -> Key {
    (kind, object.namespace().unwrap_or_default(), object.name_any())
}
