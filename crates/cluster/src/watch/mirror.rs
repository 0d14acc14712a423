//! All objects of a kind, as they are on the API server: one watch for everything in a process that needs them.

use std::fmt::Debug;
use std::hash::Hash;

use kube::runtime::reflector::Store;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::{Absent, Watch};
use crate::reach::Reach;

/// Keeps a store of all objects of a kind in line with the API server.
pub struct Mirror<K>
where
    K: Resource + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    watch: Watch<Event<K>>,
    writer: Writer<K>,
    trim: fn(&mut K),
}

impl<K> Debug for Mirror<K>
where
    K: Resource + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirror").field("watch", &self.watch).finish_non_exhaustive()
    }
}

/// What has changed in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<K> {
    /// Everything may have: a list is complete.
    All,
    /// An object is new or differs.
    Set(K),
    /// An object is gone; this is how it last was.
    Gone(K),
}

impl<K> Mirror<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    /// Of the objects in all namespaces. `trim` takes away what nobody here reads before an object is kept.
    #[must_use]
    pub fn new(client: Client, kind: K::DynamicType, reach: Reach, trim: fn(&mut K)) -> Self {
        let writer = Writer::new(kind.clone());
        Self::filling(writer, client, kind, reach, trim)
    }

    /// As [`Mirror::new`], in a store that was made before there was a client.
    #[must_use]
    pub fn filling(
        writer: Writer<K>,
        client: Client,
        kind: K::DynamicType,
        reach: Reach,
        trim: fn(&mut K),
    ) -> Self {
        let absent = Absent {
            group: K::group(&kind).into_owned(),
            version: K::version(&kind).into_owned(),
            kind: K::kind(&kind).into_owned(),
        };
        let every = Watch::every(Api::all_with(client, &kind), reach);
        let watch = Watch { absence: Some(absent), ..every };
        Self { watch, writer, trim }
    }

    /// The objects, for any number of readers. It is empty until the first list is complete, and stays as it is
    /// while the API server is away or another list is arriving.
    #[must_use]
    pub fn store(&self) -> Store<K> {
        self.writer.as_reader()
    }

    /// Waits for the next change, which the store has already.
    pub async fn next(&mut self) -> Change<K> {
        loop {
            let mut event = self.watch.next().await;
            if let Event::InitApply(object) | Event::Apply(object) | Event::Delete(object) =
                &mut event
            {
                (self.trim)(object);
            }
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
