//! The AcceleratorFunction objects, and what they grant.

use std::collections::BTreeMap;

use fpga::grants::{ANY_NAMESPACE, Grant, Grants};
use fpga_api::{FunctionMode, Kind, Meaning};
use kube::core::DynamicObject;
use kube::runtime::watcher::Event;

/// Namespace and name.
type Key = (String, String);

/// What one object grants: something, nothing by right, or nothing because of a fault.
type Verdict = Result<Option<Grant>, String>;

/// The objects that are there.
#[derive(Debug, Default)]
pub(super) struct Objects {
    current: BTreeMap<Key, Verdict>,
    /// A list that is still arriving. Until it is complete, what was there before counts.
    arriving: Option<BTreeMap<Key, Verdict>>,
}

impl Objects {
    /// Takes an event in; true when the objects may be others than before.
    pub(super) fn take(&mut self, event: Event<DynamicObject>) -> bool {
        match event {
            Event::Init => {
                self.arriving = Some(BTreeMap::new());
                false
            }
            Event::InitApply(object) => {
                let arriving = self.arriving.get_or_insert_default();
                arriving.insert(key(&object), verdict(&object));
                false
            }
            Event::InitDone => {
                self.current = self.arriving.take().unwrap_or_default();
                true
            }
            Event::Apply(object) => {
                self.current.insert(key(&object), verdict(&object));
                true
            }
            Event::Delete(object) => self.current.remove(&key(&object)).is_some(),
        }
    }

    /// What they grant together.
    pub(super) fn grants(&self) -> Grants {
        let mut grants = Grants::default();
        for ((namespace, _), verdict) in &self.current {
            if let Ok(Some(grant)) = verdict {
                // A verdict has looked at the namespace.
                let _ = grants.insert(namespace, *grant);
            }
        }
        grants
    }

    /// How many of them grant something.
    pub(super) fn count(&self) -> usize {
        self.current.values().filter(|verdict| matches!(verdict, Ok(Some(_)))).count()
    }

    /// The faulty ones, with the reason.
    pub(super) fn refused(&self) -> impl Iterator<Item = (String, String)> {
        self.current.iter().filter_map(|((namespace, name), verdict)| {
            let reason = verdict.as_ref().err()?;
            Some((format!("{namespace}/{name}"), reason.clone()))
        })
    }
}

fn key(object: &DynamicObject) -> Key {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    (text(&object.metadata.namespace), text(&object.metadata.name))
}

fn verdict(object: &DynamicObject) -> Verdict {
    let (namespace, name) = key(object);
    // An object is in one namespace and never speaks for all.
    if namespace == ANY_NAMESPACE {
        return Err(format!("its namespace is {namespace:?}"));
    }
    let meaning = Meaning::read(Kind::Function, &name, &object.data["spec"]);
    let Some(grant) = grant(meaning.map_err(|fault| fault.to_string())?) else { return Ok(None) };
    Grants::default().insert(&namespace, grant).map_err(|error| error.to_string())?;
    Ok(Some(grant))
}

/// A function that names no mode may be programmed wherever the webhook's default has it so, which is not
/// known here; one that names no interface can be programmed nowhere.
fn grant(meaning: Meaning) -> Option<Grant> {
    match meaning {
        Meaning::Function { mode: Some(FunctionMode::Af), .. } | Meaning::Region { .. } => None,
        Meaning::Function { image, interface, mode: Some(FunctionMode::Region) | None } => {
            Some(Grant { interface_id: interface?, image })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
    const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
    const HASH: &str = "40007c0623210742000ebc58df6f5343e668b03a";

    fn object(namespace: &str, name: &str, spec: Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "fpga.intel.com/v2",
            "kind": "AcceleratorFunction",
            "metadata": { "namespace": namespace, "name": name },
            "spec": spec,
        }))
        .unwrap()
    }

    fn region(namespace: &str, name: &str, afu: &str) -> DynamicObject {
        object(namespace, name, json!({ "afuId": afu, "interfaceId": A10, "mode": "region" }))
    }

    fn allows(objects: &Objects, namespace: &str, afu: &str) -> bool {
        objects.grants().allows(namespace, A10.parse().unwrap(), afu.parse().unwrap())
    }

    #[test]
    fn objects_of_region_mode_grant_in_their_namespace() {
        let mut objects = Objects::default();
        let without_mode = json!({ "afuId": HASH, "interfaceId": A10 });
        let preprogrammed = json!({ "afuId": NLB3, "interfaceId": A10, "mode": "af" });
        for object in [
            region("vision", "nlb3", NLB3),
            object("audio", "matrix", without_mode),
            object("text", "nlb3", preprogrammed),
        ] {
            assert!(objects.take(Event::Apply(object)));
        }
        assert!(allows(&objects, "vision", NLB3) && !allows(&objects, "vision", HASH));
        assert!(allows(&objects, "audio", HASH) && !allows(&objects, "audio", NLB3));
        assert!(!allows(&objects, "text", NLB3));
        assert_eq!((objects.count(), objects.refused().count()), (2, 0));
        assert!(objects.take(Event::Delete(region("vision", "nlb3", NLB3))));
        assert!(!allows(&objects, "vision", NLB3));
    }

    /// As the first version has them: for what is loaded already.
    #[test]
    fn an_object_without_interface_grants_nothing_and_is_no_fault() {
        let mut objects = Objects::default();
        objects.take(Event::Apply(object("vision", "nlb3", json!({ "afuId": NLB3 }))));
        assert_eq!((objects.count(), objects.refused().count()), (0, 0));
        assert_eq!(objects.grants(), Grants::default());
    }

    #[test]
    fn faulty_objects_are_named_and_grant_nothing() {
        let good = json!({ "afuId": NLB3, "interfaceId": A10, "mode": "region" });
        let with = |name: &str, value: Value| {
            let mut spec = good.clone();
            spec[name] = value;
            spec
        };
        for (namespace, spec, reason) in [
            ("vision", Value::Null, "it has no spec.afuId"),
            ("vision", with("interfaceId", Value::Null), "it has no spec.interfaceId"),
            ("vision", with("afuId", Value::Null), "it has no spec.afuId"),
            ("vision", with("afuId", json!("../../etc")), "spec.afuId: image id \"../../etc\""),
            ("vision", with("interfaceId", json!("69528db6")), "spec.interfaceId: "),
            ("vision", with("afuId", json!(7)), "spec.afuId is no text"),
            ("vision", with("mode", json!("afoo")), "spec.mode \"afoo\": expected af or region"),
            ("*", good.clone(), "its namespace is \"*\""),
            ("", good.clone(), "namespace \"\""),
        ] {
            let mut objects = Objects::default();
            objects.take(Event::Apply(object(namespace, "x", spec)));
            let refused: Vec<_> = objects.refused().collect();
            let [(name, found)] = refused.as_slice() else { panic!("{reason}: {refused:?}") };
            assert_eq!(*name, format!("{namespace}/x"));
            assert!(found.starts_with(reason), "{found}");
            assert_eq!(objects.grants(), Grants::default(), "{reason}");
        }
    }

    #[test]
    fn a_list_counts_when_it_is_complete() {
        let mut objects = Objects::default();
        objects.take(Event::Apply(region("vision", "a", NLB3)));
        assert!(!objects.take(Event::Init));
        assert!(!objects.take(Event::InitApply(region("vision", "b", HASH))));
        assert!(
            allows(&objects, "vision", NLB3),
            "what was there is gone before the list is complete"
        );
        assert!(objects.take(Event::InitDone));
        assert!(!allows(&objects, "vision", NLB3) && allows(&objects, "vision", HASH));
        objects.take(Event::Init);
        assert!(objects.take(Event::InitDone));
        assert_eq!(objects.grants(), Grants::default());
    }
}
