//! Objects, their history, and who watches.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::answer::{Failure, line};
use super::lock;
use super::resources::{Resource, builtin};

/// How many changes can be watched from; older ones are compacted.
const HISTORY: usize = 10_000;

/// Namespace and name.
pub(super) type Key = (String, String);

/// The objects of a kind at one version.
pub(super) type Objects = BTreeMap<Key, Arc<Value>>;

/// Everything that the server knows.
pub(super) struct State {
    resources: Vec<Resource>,
    version: u64,
    /// Watches from an older version are answered with 410.
    oldest: u64,
    /// By group and plural.
    collections: BTreeMap<(String, String), Objects>,
    history: VecDeque<Change>,
    watchers: Vec<Arc<Watcher>>,
    /// What lists in pages go on from, by version.
    snapshots: BTreeMap<u64, Objects>,
    made: u64,
}

/// One change of one object.
#[derive(Clone)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) plural: String,
    pub(super) kind: &'static str,
    pub(super) object: Arc<Value>,
}

/// What decides whether and how a watch tells of a change: `None` if it does not.
pub(super) type Show = Box<dyn Fn(&Change) -> Option<Value> + Send + Sync>;

/// One watch.
pub(super) struct Watcher {
    show: Show,
    /// The form of a bookmark, if they are wanted.
    bookmark: Option<Value>,
    told: Mutex<u64>,
    sender: Mutex<Option<mpsc::UnboundedSender<Bytes>>>,
}

impl Watcher {
    pub(super) fn new(
        show: Show,
        bookmark: Option<Value>,
        sender: mpsc::UnboundedSender<Bytes>,
    ) -> Self {
        Self { show, bookmark, told: Mutex::default(), sender: Mutex::new(Some(sender)) }
    }

    /// Tells of a change; false when nobody listens any more.
    pub(super) fn tell(&self, change: &Change) -> bool {
        *lock(&self.told) = change.version;
        match (self.show)(change) {
            Some(object) => self.send(line(change.kind, &object)),
            None => lock(&self.sender).as_ref().is_some_and(|sender| !sender.is_closed()),
        }
    }

    /// Tells how far the watch has come.
    pub(super) fn bookmark(&self) {
        self.mark(json!({}));
    }

    /// The bookmark after which the objects that were there are complete.
    pub(super) fn initial_events_end(&self) {
        self.mark(json!({ "k8s.io/initial-events-end": "true" }));
    }

    /// What counts as told so far.
    pub(super) fn stand_at(&self, version: u64) {
        *lock(&self.told) = version;
    }

    pub(super) fn end(&self) {
        lock(&self.sender).take();
    }

    fn mark(&self, annotations: Value) {
        if let Some(form) = &self.bookmark {
            let mut object = form.clone();
            object["metadata"] = json!({
                "resourceVersion": lock(&self.told).to_string(), "creationTimestamp": null, "annotations": annotations,
            });
            self.send(line("BOOKMARK", &object));
        }
    }

    fn send(&self, bytes: Bytes) -> bool {
        lock(&self.sender).as_ref().is_some_and(|sender| sender.send(bytes).is_ok())
    }
}

impl State {
    pub(super) fn new(version: u64) -> Self {
        Self {
            resources: builtin(),
            version,
            oldest: version,
            collections: BTreeMap::new(),
            history: VecDeque::new(),
            watchers: Vec::new(),
            snapshots: BTreeMap::new(),
            made: 0,
        }
    }

    pub(super) fn resources(&self) -> &[Resource] {
        &self.resources
    }

    pub(super) fn install(&mut self, resource: Resource) {
        if !self.resources.contains(&resource) {
            self.resources.push(resource);
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The objects of a kind.
    pub(super) fn collection(&self, resource: &Resource) -> Option<&Objects> {
        self.collections.get(&(resource.group.clone(), resource.plural.clone()))
    }

    pub(super) fn object(&self, resource: &Resource, key: &Key) -> Option<&Arc<Value>> {
        self.collection(resource)?.get(key)
    }

    /// A page's later pages are of the same version.
    pub(super) fn keep_snapshot(&mut self, objects: Objects) {
        self.snapshots.insert(self.version, objects);
    }

    pub(super) fn snapshot(&self, version: u64) -> Result<&Objects, Failure> {
        self.snapshots.get(&version).ok_or_else(Failure::gone)
    }

    /// The changes after a version.
    pub(super) fn since(&self, version: u64) -> Result<Vec<Change>, Failure> {
        if version < self.oldest {
            return Err(Failure::gone());
        }
        let first = self.history.partition_point(|change| change.version <= version);
        Ok(self.history.range(first..).cloned().collect())
    }

    pub(super) fn watch(&mut self, watcher: Arc<Watcher>) {
        self.watchers.push(watcher);
    }

    /// Stores an object under the next version and tells who watches.
    pub(super) fn store(&mut self, resource: &Resource, key: Key, mut object: Value) -> Arc<Value> {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let object = Arc::new(object);
        let collection = (resource.group.clone(), resource.plural.clone());
        let objects = self.collections.entry(collection).or_default();
        let old = objects.insert(key, Arc::clone(&object));
        let kind = if old.is_some() { "MODIFIED" } else { "ADDED" };
        self.changed(resource, kind, Arc::clone(&object));
        object
    }

    /// Removes an object and tells who watches.
    pub(super) fn remove(&mut self, resource: &Resource, key: &Key) -> Option<Arc<Value>> {
        let collection = (resource.group.clone(), resource.plural.clone());
        let old = self.collections.get_mut(&collection)?.remove(key)?;
        self.version += 1;
        let mut object = (*old).clone();
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let object = Arc::new(object);
        self.changed(resource, "DELETED", Arc::clone(&object));
        Some(object)
    }

    /// A number that no object had before.
    pub(super) fn serial(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    pub(super) fn put(&mut self, plural: &str, mut object: Value) -> Option<Arc<Value>> {
        let resource = self.resource(plural)?;
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let key = (text("namespace"), text("name"));
        if key.1.is_empty() {
            return None;
        }
        let version = resource.versions.last()?;
        object["apiVersion"] = json!(resource.api_version(version));
        object["kind"] = json!(resource.kind);
        match self.object(&resource, &key) {
            Some(old) => object["metadata"]["uid"] = old["metadata"]["uid"].clone(),
            None => object["metadata"]["uid"] = json!(super::write::uid(self.serial())),
        }
        Some(self.store(&resource, key, object))
    }

    pub(super) fn find(&self, plural: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let resource = self.resource(plural)?;
        self.object(&resource, &(namespace.to_owned(), name.to_owned())).cloned()
    }

    pub(super) fn objects(&self, plural: &str) -> Vec<Value> {
        let resource = self.resource(plural);
        let objects = resource.as_ref().and_then(|resource| self.collection(resource));
        objects.into_iter().flatten().map(|(_, object)| (**object).clone()).collect()
    }

    pub(super) fn remove_named(&mut self, plural: &str, namespace: &str, name: &str) -> bool {
        let Some(resource) = self.resource(plural) else { return false };
        self.remove(&resource, &(namespace.to_owned(), name.to_owned())).is_some()
    }

    pub(super) fn end_watches(&mut self) {
        for watcher in self.watchers.drain(..) {
            watcher.end();
        }
    }

    pub(super) fn bookmark(&self) {
        for watcher in &self.watchers {
            watcher.stand_at(self.version);
            watcher.bookmark();
        }
    }

    pub(super) fn compact(&mut self) {
        self.version += 1;
        self.oldest = self.version;
        self.history.clear();
        self.snapshots.clear();
        let gone = line("ERROR", &Failure::gone().status());
        for watcher in self.watchers.drain(..) {
            watcher.send(gone.clone());
            watcher.end();
        }
    }

    fn resource(&self, plural: &str) -> Option<Resource> {
        self.resources.iter().find(|resource| resource.plural == plural).cloned()
    }

    fn changed(&mut self, resource: &Resource, kind: &'static str, object: Arc<Value>) {
        let plural = resource.plural.clone();
        let change = Change { version: self.version, plural, kind, object };
        self.watchers.retain(|watcher| watcher.tell(&change));
        self.history.push_back(change);
        if self.history.len() > HISTORY
            && let Some(old) = self.history.pop_front()
        {
            self.oldest = old.version;
        }
    }
}
