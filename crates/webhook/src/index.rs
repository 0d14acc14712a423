//! The objects of all namespaces, as requests look them up.
//!
//! Readers take a [`Snapshot`], which never changes; a change makes a new one, in which every namespace but
//! the changed one is shared with the last.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use fpga_api::{Fault, Kind, Meaning};
use serde_json::Value;

pub use namespace::{Found, Namespace};
pub use offer::{DefaultMode, Modes, Offer, Rules};

mod namespace;
mod offer;

/// An object as it is now on the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Of which kind it is.
    pub kind: Kind,
    /// The namespace that it is in, and for.
    pub namespace: Box<str>,
    /// What pods ask for it by.
    pub name: Box<str>,
    /// What it says. One with a fault is kept, so that who asks for it learns the fault.
    pub meaning: Result<Meaning, Fault>,
}

impl Object {
    /// Reads the object's `spec`.
    #[must_use]
    pub fn read(kind: Kind, namespace: &str, name: &str, spec: &Value) -> Self {
        Self {
            kind,
            namespace: namespace.into(),
            name: name.into(),
            meaning: Meaning::read(kind, name, spec),
        }
    }
}

/// The objects, kept up to date by who watches them.
#[derive(Debug)]
pub struct Index {
    rules: Rules,
    /// Held while a snapshot is made from the last one.
    changing: Mutex<()>,
    /// Held only to copy or to exchange the pointer.
    current: RwLock<Arc<Snapshot>>,
}

/// All objects at one time.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    namespaces: HashMap<Box<str>, Arc<Namespace>>,
}

impl Index {
    /// An index without objects.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules, changing: Mutex::default(), current: RwLock::default() }
    }

    /// What objects mean where they leave it open.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// The objects as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes in an object that is new or has changed.
    pub fn apply(&self, object: &Object) {
        self.change(&object.namespace, |namespace| {
            namespace.insert(object.kind, &object.name, Offer::of(&object.meaning, self.rules));
        });
    }

    /// Forgets an object that is gone.
    pub fn delete(&self, kind: Kind, namespace: &str, name: &str) {
        self.change(namespace, |namespace| namespace.remove(kind, name));
    }

    /// Takes in a complete list of the objects of `kind`: what is not in it is gone.
    pub fn replace(&self, kind: Kind, objects: &[Object]) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut namespaces: BTreeMap<Box<str>, Namespace> = BTreeMap::new();
        for (name, namespace) in &self.snapshot().namespaces {
            namespaces.insert(name.clone(), namespace.without(kind));
        }
        for object in objects.iter().filter(|object| object.kind == kind) {
            let namespace = namespaces.entry(object.namespace.clone()).or_default();
            namespace.add(kind, &object.name, Offer::of(&object.meaning, self.rules));
        }
        let sorted = namespaces.into_iter().filter_map(|(name, mut namespace)| {
            namespace.settle();
            (!namespace.is_empty()).then(|| (name, Arc::new(namespace)))
        });
        self.publish(Snapshot { namespaces: sorted.collect() });
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Namespace)) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = (*self.snapshot()).clone();
        let mut namespace =
            next.namespaces.get(name).map(|found| (**found).clone()).unwrap_or_default();
        change(&mut namespace);
        if namespace.is_empty() {
            next.namespaces.remove(name);
        } else {
            next.namespaces.insert(name.into(), Arc::new(namespace));
        }
        self.publish(next);
    }

    fn publish(&self, next: Snapshot) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }
}

impl Snapshot {
    /// The objects of a namespace; `None` when it has none.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name).map(Arc::as_ref)
    }

    /// How many objects there are, faulty ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.namespaces.values().map(|namespace| namespace.len()).sum()
    }

    /// True when there is no object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.namespaces.is_empty()
    }
}

#[cfg(test)]
mod tests;
