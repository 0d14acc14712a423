//! The kind FpgaRegion.

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::Status;

/// A kind of region that pods of the namespace may ask for by the object's name, to develop functions for it.
///
/// It grants whole cards with their management node, on nodes in mode `regiondevel`: a container that gets one can load
/// anything into the card. No AcceleratorFunction grants that.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "fpga.intel.com",
    version = "v2",
    kind = "FpgaRegion",
    plural = "fpgaregions",
    singular = "fpgaregion",
    shortname = "fpga",
    category = "fpga",
    namespaced,
    status = "Status",
    doc = "A kind of region that pods of its namespace may ask for by its name, to develop functions for it: it grants whole cards with their management node.",
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Nodes","type":"integer","jsonPath":".status.nodeCount"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Interface","type":"string","priority":1,"jsonPath":".spec.interfaceId"}"#,
    printcolumn = r#"{"name":"Resource","type":"string","priority":1,"jsonPath":".status.resource"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    crates(kube_core = "::kube_core")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.interfaceId != 'ffffffffffffffffffffffffffffffff'",
        "message": "all ones is what a device without firmware or link shows"
    }
]))]
pub struct FpgaRegionSpec {
    /// The interface id of the regions, 32 lower-case hexadecimal digits.
    #[schemars(regex(pattern = "^[0-9a-f]{32}$"), length(max = 32))]
    pub interface_id: String,
}
