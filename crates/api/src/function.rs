//! The kind AcceleratorFunction.

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::Status;

/// An accelerator function that pods of the namespace may ask for by the object's name.
///
/// It is found loaded in a region (mode `af`) or programmed into one for the container (mode `region`).
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "fpga.intel.com",
    version = "v2",
    kind = "AcceleratorFunction",
    plural = "acceleratorfunctions",
    singular = "acceleratorfunction",
    shortname = "af",
    category = "fpga",
    namespaced,
    status = "Status",
    doc = "An accelerator function that pods of its namespace may ask for by its name.",
    printcolumn = r#"{"name":"Mode","type":"string","jsonPath":".spec.mode"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Nodes","type":"integer","jsonPath":".status.nodeCount"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"AFU","type":"string","priority":1,"jsonPath":".spec.afuId"}"#,
    printcolumn = r#"{"name":"Interface","type":"string","priority":1,"jsonPath":".spec.interfaceId"}"#,
    printcolumn = r#"{"name":"Resource","type":"string","priority":1,"jsonPath":".status.resource"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    crates(kube_core = "::kube_core")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!has(self.mode) || self.mode != 'region' || has(self.interfaceId)",
        "message": "mode region needs interfaceId: the kind of region that the function is programmed into"
    },
    {
        "rule": "size(self.afuId) != 40 || !has(self.mode) || self.mode != 'af'",
        "message": "an afuId of 40 digits is the hash of an OpenCL image, which is always programmed: mode af cannot have one"
    },
    {
        "rule": "size(self.afuId) != 40 || has(self.interfaceId)",
        "message": "an afuId of 40 digits is the hash of an OpenCL image, which needs interfaceId: the kind of region that it is programmed into"
    },
    {
        "rule": "self.afuId != 'ffffffffffffffffffffffffffffffff' && (!has(self.interfaceId) || self.interfaceId != 'ffffffffffffffffffffffffffffffff')",
        "message": "all ones is what a device without firmware or link shows"
    }
]))]
pub struct AcceleratorFunctionSpec {
    /// What the function is known by: its AFU id of 32 lower-case hexadecimal digits, or for an OpenCL image
    /// (AOCX) its hash of 40.
    #[schemars(regex(pattern = "^([0-9a-f]{32}|[0-9a-f]{40})$"), length(max = 40))]
    pub afu_id: String,
    /// The interface id of the regions that the function fits, 32 lower-case hexadecimal digits. Needed to
    /// program it, and for the encoded form of resource names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = "^[0-9a-f]{32}$"), length(max = 32))]
    pub interface_id: Option<String>,
    /// `af`: pods get a region in which the function is loaded already. `region`: they get a region that it
    /// is programmed into. When absent, the webhook's default mode decides, save for OpenCL images, which are
    /// always programmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "FunctionMode")]
    pub mode: Option<FunctionMode>,
}

/// How a container gets a function.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum FunctionMode {
    /// It is loaded already.
    Af,
    /// It is programmed for the container.
    Region,
}
