//! The annotations of a container: in which namespace its pod is.
//!
//! containerd has the namespace in an annotation of its own. CRI-O has it among the pod's labels, as
//! JSON in one annotation, and lists a pod's own annotations beside it, so that a tenant can write
//! containerd's there. What a runtime writes replaces a tenant's of the same name, in both runtimes:
//! so at least one statement is the runtime's, and when all agree they are right.

use std::collections::BTreeSet;
use std::fmt;

use fpga::id::DeviceId;
use fpga::names::CONTAINER_DEVICES_ANNOTATION;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::object::Object;
use crate::failure::{Code, Failure};

const CONTAINERD_NAMESPACE: &str = "io.kubernetes.cri.sandbox-namespace";
const CONTAINERD_NAME: &str = "io.kubernetes.cri.sandbox-name";
const CRIO_LABELS: &str = "io.kubernetes.cri-o.Labels";

/// The few that matter.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Annotations {
    containerd_namespace: Option<String>,
    crio_labels: Option<String>,
    containerd_name: Option<String>,
    devices: Option<String>,
}

/// The labels that the kubelet gives each container.
#[derive(Debug, Deserialize)]
struct Labels {
    #[serde(rename = "io.kubernetes.pod.namespace")]
    namespace: Option<String>,
    #[serde(rename = "io.kubernetes.pod.name")]
    name: Option<String>,
}

/// The pod, `NAMESPACE/NAME`, as far as it is known. For people: nothing depends on it.
pub(crate) fn pod(sources: &[&Annotations]) -> Option<String> {
    let name = |source: &&Annotations| {
        let labels = || labels(source.crio_labels.as_deref()?).ok()?.name;
        source.containerd_name.clone().or_else(labels)
    };
    Some(format!("{}/{}", namespace(sources).ok()?, sources.iter().find_map(name)?))
}

/// The namespace on which all `sources` agree.
pub(crate) fn namespace(sources: &[&Annotations]) -> Result<String, Failure> {
    let fail = |message: String| Failure::new(Code::NotGranted, message);
    let mut found: Option<String> = None;
    for source in sources {
        for namespace in source.namespaces()? {
            match &found {
                Some(other) if *other != namespace => {
                    return Err(fail(format!(
                        "the annotations disagree on the pod's namespace: {other:?} and {namespace:?}"
                    )));
                }
                _ => found = Some(namespace),
            }
        }
    }
    found.filter(|namespace| !namespace.is_empty()).ok_or_else(|| {
        fail(format!(
            "the pod's namespace is unknown, so nothing is granted to it: there is neither the annotation \
             {CONTAINERD_NAMESPACE} nor {CRIO_LABELS} (not needed with `--allow-any`)"
        ))
    })
}

/// The devices that `sources` name as allocated. A tenant may have written it, so it is worth as much as what the
/// tenant can reach by other means.
pub(crate) fn devices(sources: &[&Annotations]) -> BTreeSet<DeviceId> {
    let lists = sources.iter().filter_map(|source| source.devices.as_deref());
    lists.flat_map(|list| list.split(',')).filter_map(|device| device.parse().ok()).collect()
}

impl Annotations {
    fn namespaces(&self) -> Result<impl Iterator<Item = String>, Failure> {
        let labels = self.crio_labels.as_deref().map(labels).transpose()?;
        let crio = labels.and_then(|labels| labels.namespace);
        Ok(self.containerd_namespace.clone().into_iter().chain(crio))
    }
}

fn labels(text: &str) -> Result<Labels, Failure> {
    serde_json::from_str(text).map(|Object(labels)| labels).map_err(|error| {
        Failure::new(Code::NotGranted, format!("annotation {CRIO_LABELS}: {error}"))
    })
}

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pick;

        impl<'de> Visitor<'de> for Pick {
            type Value = Annotations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("annotations")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Annotations, A::Error> {
                let mut picked = Annotations::default();
                while let Some(key) = map.next_key::<String>()? {
                    let place = match key.as_str() {
                        CONTAINERD_NAMESPACE => &mut picked.containerd_namespace,
                        CRIO_LABELS => &mut picked.crio_labels,
                        CONTAINERD_NAME => &mut picked.containerd_name,
                        CONTAINER_DEVICES_ANNOTATION => &mut picked.devices,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    if place.replace(map.next_value()?).is_some() {
                        return Err(serde::de::Error::custom(format!(
                            "duplicate annotation {key}"
                        )));
                    }
                }
                Ok(picked)
            }
        }

        deserializer.deserialize_map(Pick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(json: serde_json::Value) -> Annotations {
        serde_json::from_value(json).unwrap()
    }

    fn containerd(namespace: &str) -> Annotations {
        annotations(serde_json::json!({
            "io.kubernetes.cri.container-type": "container",
            "io.kubernetes.cri.sandbox-namespace": namespace,
        }))
    }

    fn crio(namespace: &str) -> Annotations {
        let labels = serde_json::json!({
            "io.kubernetes.pod.name": "p", "io.kubernetes.pod.namespace": namespace,
        });
        annotations(serde_json::json!({
            "io.container.manager": "cri-o",
            "io.kubernetes.cri-o.Labels": labels.to_string(),
        }))
    }

    fn rejects(sources: &[&Annotations], reason: &str) {
        let failure = namespace(sources).unwrap_err();
        assert_eq!(failure.code, Code::NotGranted);
        assert!(failure.to_string().contains(reason), "{failure}");
    }

    #[test]
    fn accepts_either_runtimes_way_in_either_file() {
        let none = Annotations::default();
        for runtimes in [containerd("vision"), crio("vision")] {
            for sources in [[&runtimes, &none], [&none, &runtimes], [&runtimes, &runtimes]] {
                assert_eq!(namespace(&sources).unwrap(), "vision");
            }
        }
    }

    #[test]
    fn a_pod_is_named_where_it_is_known() {
        let mut containerd = containerd("vision");
        assert_eq!(pod(&[&containerd]), None);
        containerd.containerd_name = Some("p".to_owned());
        for source in [&containerd, &crio("vision")] {
            assert_eq!(pod(&[&Annotations::default(), source]).as_deref(), Some("vision/p"));
        }
        assert_eq!(pod(&[&containerd, &crio("other")]), None);
    }

    #[test]
    fn rejects_an_unknown_namespace() {
        rejects(&[], "is unknown");
        rejects(&[&Annotations::default()], "is unknown");
        rejects(&[&containerd("")], "is unknown");
        rejects(
            &[&annotations(serde_json::json!({"io.kubernetes.cri-o.Labels": "{}"}))],
            "unknown",
        );
    }

    /// A pod's own annotations are in CRI-O's state; a tenant may put containerd's among them.
    #[test]
    fn rejects_statements_that_disagree() {
        let forged =
            Annotations { containerd_namespace: Some("kube-system".to_owned()), ..crio("vision") };
        rejects(&[&forged], r#""kube-system" and "vision""#);
        rejects(&[&containerd("a"), &containerd("b")], "disagree");
        rejects(&[&crio("a"), &containerd("")], "disagree");
    }

    #[test]
    fn rejects_labels_that_are_none() {
        for text in ["", "[]", "{", r#"["vision"]"#, r#"{"io.kubernetes.pod.namespace":7}"#] {
            let broken = annotations(serde_json::json!({"io.kubernetes.cri-o.Labels": text}));
            rejects(&[&broken, &containerd("vision")], "annotation io.kubernetes.cri-o.Labels: ");
        }
    }

    #[test]
    fn rejects_an_annotation_given_twice() {
        let text = r#"{"io.kubernetes.cri.sandbox-namespace":"a","io.kubernetes.cri.sandbox-namespace":"b"}"#;
        let error = serde_json::from_str::<Annotations>(text).unwrap_err();
        assert!(error.to_string().contains("duplicate annotation"), "{error}");
    }

    #[test]
    fn others_may_have_any_value() {
        let picked = annotations(serde_json::json!({"a": {"b": [1, null]}, "b": 7}));
        assert_eq!(picked, Annotations::default());
    }
}
