//! An object of either kind as the API server has it, whatever it says.

use std::borrow::Cow;

use kube_core::{DynamicResourceScope, ObjectMeta, Resource};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::crd::{GROUP, STORAGE_VERSION};
use crate::meaning::{Fault, Kind, Meaning};
use crate::status::Status;

/// An object as it was written: what its spec means is for [`Manifest::meaning`] to say, so that a faulty one can
/// be kept and its fault named.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its name, namespace, uid, generation and more.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What its author wrote.
    #[serde(default)]
    pub spec: Value,
    /// What its status says; one that cannot be read says nothing.
    #[serde(default, deserialize_with = "lenient")]
    pub status: Status,
}

fn lenient<'de, D: Deserializer<'de>>(status: D) -> Result<Status, D::Error> {
    let status = Value::deserialize(status)?;
    Ok(serde_json::from_value(status).unwrap_or_default())
}

impl Manifest {
    /// Its namespace, which is empty if it has none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// Its name, which is empty if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// What it says, as an object of that kind.
    ///
    /// # Errors
    /// The first fault of its spec or name.
    pub fn meaning(&self, kind: Kind) -> Result<Meaning, Fault> {
        Meaning::read(kind, self.name(), &self.spec)
    }

    /// Takes away the metadata that nobody reads: of an object that was applied, the largest part of it.
    #[must_use]
    pub fn trimmed(self) -> Self {
        let ObjectMeta { name, namespace, uid, generation, .. } = self.metadata;
        let metadata = ObjectMeta { name, namespace, uid, generation, ..ObjectMeta::default() };
        Self { metadata, ..self }
    }
}

/// Its kind is known to whoever asks for it.
impl Resource for Manifest {
    type DynamicType = Kind;
    type Scope = DynamicResourceScope;

    fn kind(kind: &Kind) -> Cow<'_, str> {
        kind.as_str().into()
    }

    fn group(_: &Kind) -> Cow<'_, str> {
        GROUP.into()
    }

    fn version(_: &Kind) -> Cow<'_, str> {
        STORAGE_VERSION.into()
    }

    fn plural(kind: &Kind) -> Cow<'_, str> {
        kind.plural().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whatever_an_object_says_can_be_kept() {
        let read = |object| serde_json::from_value::<Manifest>(object).unwrap();
        let metadata = json!({ "namespace": "vision", "name": "nlb3", "generation": 2,
            "labels": { "a": "b" }, "managedFields": [{ "manager": "kubectl" }] });
        let strange = read(json!({ "metadata": metadata, "spec": 7, "status": ["x"] }));
        assert_eq!((strange.namespace(), strange.name()), ("vision", "nlb3"));
        assert_eq!(strange.status, Status::default());
        strange.meaning(Kind::Function).unwrap_err();
        let strange = strange.trimmed();
        let metadata = json!({ "namespace": "vision", "name": "nlb3", "generation": 2 });
        assert_eq!(serde_json::to_value(&strange.metadata).unwrap(), metadata);
        let region = read(json!({
            "metadata": { "name": "a10" },
            "spec": { "interfaceId": "69528db6eb31577a8c3668f9faa081f6" },
            "status": { "nodeCount": 3 },
        }));
        assert_eq!(region.status.node_count, Some(3));
        region.meaning(Kind::Region).unwrap();
    }
}
