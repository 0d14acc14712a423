//! Which functions the pods of each Kubernetes namespace may have programmed on this node.
//!
//! A container names the function that it wants in its environment, which its image can set as well
//! as its pod. So the runtime hook programs nothing that is not granted to the pod's namespace. The
//! grants are a JSON file of root's, written by the agent or by hand:
//!
//! ```json
//! {
//!   "version": 1,
//!   "namespaces": {
//!     "vision": [
//!       {
//!         "interfaceId": "69528db6eb31577a8c3668f9faa081f6",
//!         "afuId": "f7df405cbd7acf7222f144b0b93acd18"
//!       }
//!     ],
//!     "*": []
//!   }
//! }
//! ```
//!
//! The `afuId` of an OpenCL image is its hash of 40 digits. What is granted to `*` is granted to every
//! namespace.

mod error;
mod load;
mod namespace;
mod save;

use std::collections::{BTreeMap, BTreeSet};

pub use error::Error;
use namespace::Namespace;
pub use namespace::{NamespaceError, is_namespace};
use serde::{Deserialize, Serialize};

use crate::bitstream::ImageId;
use crate::id::InterfaceId;

/// Where the file is unless told otherwise.
pub const DEFAULT_PATH: &str = "/run/kube-fpga/grants.json";

/// The key of what every namespace is granted. No namespace has such a name.
pub const ANY_NAMESPACE: &str = "*";

/// The version of the file's format that this code reads and writes.
const VERSION: u32 = 1;

/// What may be programmed for whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    namespaces: BTreeMap<Namespace, BTreeSet<Grant>>,
}

/// A function for regions of one interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grant {
    /// The regions that it may be programmed into.
    pub interface_id: InterfaceId,
    /// The function, or the OpenCL image.
    #[serde(rename = "afuId")]
    pub image: ImageId,
}

impl Grants {
    /// Grants `grant` to `namespace`, or to all with [`ANY_NAMESPACE`].
    ///
    /// # Errors
    /// Kubernetes has no namespace of such a name.
    pub fn insert(&mut self, namespace: &str, grant: Grant) -> Result<(), NamespaceError> {
        self.namespaces.entry(namespace.parse()?).or_default().insert(grant);
        Ok(())
    }

    /// Every grant with the namespace that it is for, or [`ANY_NAMESPACE`].
    pub fn iter(&self) -> impl Iterator<Item = (&str, Grant)> {
        self.namespaces
            .iter()
            .flat_map(|(name, grants)| grants.iter().map(move |grant| (name.as_str(), *grant)))
    }

    /// True when pods of `namespace` may have `image` programmed into a region of `interface`.
    #[must_use]
    pub fn allows(&self, namespace: &str, interface: InterfaceId, image: ImageId) -> bool {
        let grant = Grant { interface_id: interface, image };
        [namespace, ANY_NAMESPACE]
            .into_iter()
            .filter_map(|name| self.namespaces.get(name))
            .any(|grants| grants.contains(&grant))
    }
}

/// The file's contents.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    namespaces: BTreeMap<Namespace, BTreeSet<Grant>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERFACE: InterfaceId = InterfaceId::new(0x6952_8db6_eb31_577a_8c36_68f9_faa0_81f6);

    fn image(text: &str) -> ImageId {
        text.parse().unwrap()
    }

    #[test]
    fn a_grant_is_for_one_namespace_one_interface_and_one_function() {
        let (nlb3, nlb0) =
            (image("f7df405cbd7acf7222f144b0b93acd18"), image("d8424dc4a4a3c413f89e433683f9040b"));
        let mut grants = Grants::default();
        grants.insert("vision", Grant { interface_id: INTERFACE, image: nlb3 }).unwrap();
        assert!(grants.allows("vision", INTERFACE, nlb3));
        assert!(!grants.allows("vision", INTERFACE, nlb0));
        assert!(!grants.allows("vision", InterfaceId::new(1), nlb3));
        for other in ["audio", "visio", "vision2", "", "*"] {
            assert!(!grants.allows(other, INTERFACE, nlb3), "{other:?}");
        }
    }

    #[test]
    fn a_grant_to_all_is_for_every_namespace() {
        let hash = image("40007c0623210742000ebc58df6f5343e668b03a");
        let mut grants = Grants::default();
        grants.insert("*", Grant { interface_id: INTERFACE, image: hash }).unwrap();
        assert!(grants.allows("vision", INTERFACE, hash));
        assert!(grants.allows("audio", INTERFACE, hash));
        assert!(!grants.allows("audio", InterfaceId::new(1), hash));
    }

    #[test]
    fn the_form_on_disk() {
        let nlb3 = image("f7df405cbd7acf7222f144b0b93acd18");
        let mut grants = Grants::default();
        grants.insert("vision", Grant { interface_id: INTERFACE, image: nlb3 }).unwrap();
        let document = Document { version: VERSION, namespaces: grants.namespaces };
        assert_eq!(
            serde_json::to_value(&document).unwrap(),
            serde_json::json!({"version": 1, "namespaces": {"vision": [{
                "interfaceId": "69528db6eb31577a8c3668f9faa081f6",
                "afuId": "f7df405cbd7acf7222f144b0b93acd18",
            }]}})
        );
    }
}
