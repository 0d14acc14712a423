//! The AcceleratorFunction objects, and what they grant.

use std::collections::BTreeMap;

use fpga::grants::{ANY_NAMESPACE, Grant, Grants};
use fpga_api::{FunctionMode, Kind, Manifest, Meaning};

/// Namespace and name.
type Key = (String, String);

/// What one object grants: something, nothing by right, or nothing because of a fault.
type Verdict = Result<Option<Grant>, String>;

/// The objects that there are.
#[derive(Debug)]
pub(super) struct Objects(BTreeMap<Key, Verdict>);

impl Objects {
    /// Reads all of them.
    pub(super) fn read<'a>(objects: impl IntoIterator<Item = &'a Manifest>) -> Self {
        let key = |object: &Manifest| (object.namespace().to_owned(), object.name().to_owned());
        Self(objects.into_iter().map(|object| (key(object), verdict(object))).collect())
    }

    /// What they grant together.
    pub(super) fn grants(&self) -> Grants {
        let mut grants = Grants::default();
        for ((namespace, _), verdict) in &self.0 {
            if let Ok(Some(grant)) = verdict {
                // A verdict has checked the namespace.
                let _ = grants.insert(namespace, *grant);
            }
        }
        grants
    }

    /// How many of them grant something.
    pub(super) fn count(&self) -> usize {
        self.0.values().filter(|verdict| matches!(verdict, Ok(Some(_)))).count()
    }

    /// The faulty ones, with the reason.
    pub(super) fn refused(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().filter_map(|((namespace, name), verdict)| {
            let reason = verdict.as_ref().err()?;
            Some((format!("{namespace}/{name}"), reason.clone()))
        })
    }
}

fn verdict(object: &Manifest) -> Verdict {
    let namespace = object.namespace();
    // An object is in one namespace and never speaks for all.
    if namespace == ANY_NAMESPACE {
        return Err(format!("its namespace is {namespace:?}"));
    }
    let meaning = object.meaning(Kind::Function);
    let Some(grant) = grant(meaning.map_err(|fault| fault.to_string())?) else { return Ok(None) };
    Grants::default().insert(namespace, grant).map_err(|error| error.to_string())?;
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
    use kube::runtime::reflector::Store;
    use kube::runtime::reflector::store::Writer;
    use kube::runtime::watcher::Event;
    use serde_json::{Value, json};

    use super::*;

    const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
    const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
    const HASH: &str = "40007c0623210742000ebc58df6f5343e668b03a";

    fn object(namespace: &str, name: &str, spec: Value) -> Manifest {
        serde_json::from_value(json!({
            "metadata": { "namespace": namespace, "name": name },
            "spec": spec,
        }))
        .unwrap()
    }

    fn region(namespace: &str, name: &str, afu: &str) -> Manifest {
        object(namespace, name, json!({ "afuId": afu, "interfaceId": A10, "mode": "region" }))
    }

    fn allows(objects: &Objects, namespace: &str, afu: &str) -> bool {
        objects.grants().allows(namespace, A10.parse().unwrap(), afu.parse().unwrap())
    }

    #[test]
    fn objects_of_region_mode_grant_in_their_namespace() {
        let without_mode = json!({ "afuId": HASH, "interfaceId": A10 });
        let preprogrammed = json!({ "afuId": NLB3, "interfaceId": A10, "mode": "af" });
        let mut all = vec![
            region("vision", "nlb3", NLB3),
            object("audio", "matrix", without_mode),
            object("text", "nlb3", preprogrammed),
        ];
        let objects = Objects::read(&all);
        assert!(allows(&objects, "vision", NLB3) && !allows(&objects, "vision", HASH));
        assert!(allows(&objects, "audio", HASH) && !allows(&objects, "audio", NLB3));
        assert!(!allows(&objects, "text", NLB3));
        assert_eq!((objects.count(), objects.refused().count()), (2, 0));
        all.remove(0);
        assert!(!allows(&Objects::read(&all), "vision", NLB3));
    }

    /// As the first version has them: for what is loaded already.
    #[test]
    fn an_object_without_interface_grants_nothing_and_is_no_fault() {
        let objects = Objects::read(&[object("vision", "nlb3", json!({ "afuId": NLB3 }))]);
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
            let objects = Objects::read(&[object(namespace, "x", spec)]);
            let refused: Vec<_> = objects.refused().collect();
            let [(name, found)] = refused.as_slice() else { panic!("{reason}: {refused:?}") };
            assert_eq!(*name, format!("{namespace}/x"));
            assert!(found.starts_with(reason), "{found}");
            assert_eq!(objects.grants(), Grants::default(), "{reason}");
        }
    }

    #[test]
    fn a_list_counts_when_it_is_complete() {
        let mut writer = Writer::new(Kind::Function);
        let now = |store: Store<Manifest>| {
            let objects = store.state();
            Objects::read(objects.iter().map(AsRef::as_ref))
        };
        writer.apply_watcher_event(&Event::Apply(region("vision", "a", NLB3)));
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitApply(region("vision", "b", HASH)));
        assert!(
            allows(&now(writer.as_reader()), "vision", NLB3),
            "what was there is gone before the list is complete"
        );
        writer.apply_watcher_event(&Event::InitDone);
        let objects = now(writer.as_reader());
        assert!(!allows(&objects, "vision", NLB3) && allows(&objects, "vision", HASH));
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitDone);
        let objects = now(writer.as_reader());
        assert_eq!(objects.grants(), Grants::default());
    }
}
