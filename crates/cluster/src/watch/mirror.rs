//! All objects of a kind, as they are on the API server: one watch for everything in a process that needs them.

use std::fmt::Debug;
use std::hash::Hash;

use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{Lookup, Store};
use kube::runtime::watcher::Event;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::{Absent, Watch};
use crate::reach::Reach;

/// Keeps a store of all objects of a kind in line with the API server. Objects come as `K` and are kept as `T`.
pub struct Mirror<K, T>
where
    K: Resource,
    T: Lookup<DynamicType = K::DynamicType> + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    watch: Watch<Event<K>>,
    writer: Writer<T>,
    keep: Keep<K, T>,
}

type Keep<K, T> = Box<dyn Fn(K) -> T + Send + Sync>;

impl<K, T> Debug for Mirror<K, T>
where
    K: Resource,
    T: Lookup<DynamicType = K::DynamicType> + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirror").field("watch", &self.watch).finish_non_exhaustive()
    }
}

/// What has changed in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<T> {
    /// Everything may have: a list is complete.
    All,
    /// An object is new or differs.
    Set(T),
    /// An object is gone; this is how it last was.
    Gone(T),
}

impl<K, T> Mirror<K, T>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    T: Lookup<DynamicType = K::DynamicType> + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    /// Of the objects in all namespaces. `keep` makes of an object what somebody here reads: the rest of it is most
    /// of it.
    #[must_use]
    pub fn new(
        client: Client,
        kind: K::DynamicType,
        reach: Reach,
        keep: impl Fn(K) -> T + Send + Sync + 'static,
    ) -> Self {
        let writer = Writer::new(kind.clone());
        Self::filling(writer, client, kind, reach, keep)
    }

    /// As [`Mirror::new`], in a store that was made before there was a client.
    #[must_use]
    pub fn filling(
        writer: Writer<T>,
        client: Client,
        kind: K::DynamicType,
        reach: Reach,
        keep: impl Fn(K) -> T + Send + Sync + 'static,
    ) -> Self {
        let absent = Absent {
            group: K::group(&kind).into_owned(),
            version: K::version(&kind).into_owned(),
            kind: K::kind(&kind).into_owned(),
        };
        let every = Watch::every(Api::all_with(client, &kind), reach);
        let watch = Watch { absence: Some(absent), ..every };
        Self { watch, writer, keep: Box::new(keep) }
    }

    /// The objects, for any number of readers. It is empty until the first list is complete, and stays as it is
    /// while the API server is away or another list is arriving.
    #[must_use]
    pub fn store(&self) -> Store<T> {
        self.writer.as_reader()
    }

    /// Waits for the next change, which the store has already.
    pub async fn next(&mut self) -> Change<T> {
        loop {
            let event = match self.watch.next().await {
                Event::Init => Event::Init,
                Event::InitApply(object) => Event::InitApply((self.keep)(object)),
                Event::InitDone => Event::InitDone,
                Event::Apply(object) => Event::Apply((self.keep)(object)),
                Event::Delete(object) => Event::Delete((self.keep)(object)),
            };
            self.writer.apply_watcher_event(&event);
            match event {
                Event::Init | Event::InitApply(_) => {}
                Event::InitDone => return Change::All,
                Event::Apply(object) => return Change::Set(object),
                Event::Delete(object) => return Change::Gone(object),
            }
        }
    }
}
