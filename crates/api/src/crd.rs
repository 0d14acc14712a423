//! The CustomResourceDefinitions, from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as ext;
use kube_core::CustomResourceExt as _;

use crate::function::AcceleratorFunction;
use crate::region::FpgaRegion;

/// The API group of both kinds.
pub const GROUP: &str = "fpga.intel.com";

/// The version that objects are stored in.
pub const STORAGE_VERSION: &str = "v2";

/// Every version that is served. All have the same schema, so nothing is ever converted.
pub const VERSIONS: [&str; 2] = ["v1", STORAGE_VERSION];

/// What `kubectl get` lists both kinds under.
pub const CATEGORY: &str = "fpga";

/// The definitions of both kinds.
///
/// The name of an object becomes that of an extended resource, which may have 63 characters, and must not
/// be one that already means something else.
#[must_use]
pub fn crds() -> [ext::CustomResourceDefinition; 2] {
    let length = rule(
        "size(self.metadata.name) <= 63",
        "metadata.name becomes the name of an extended resource, which has at most 63 characters",
    );
    let own_af = rule(
        "!self.metadata.name.matches('^(af|region|regiondevel)-[0-9a-f]{32}([0-9a-f]{8})?$') || self.metadata.name == 'af-' + self.spec.afuId",
        "metadata.name must not be that of another function's or region's resource",
    );
    let own_region = rule(
        "!self.metadata.name.matches('^(af|region|regiondevel)-[0-9a-f]{32}([0-9a-f]{8})?$') || self.metadata.name in ['regiondevel-' + self.spec.interfaceId, 'region-' + self.spec.interfaceId]",
        "metadata.name must not be that of another function's or region's resource",
    );
    [
        complete(AcceleratorFunction::crd(), vec![length.clone(), own_af]),
        complete(FpgaRegion::crd(), vec![length, own_region]),
    ]
}

fn rule(rule: &str, message: &str) -> ext::ValidationRule {
    ext::ValidationRule {
        rule: rule.to_owned(),
        message: Some(message.to_owned()),
        ..Default::default()
    }
}

/// With the rules on whole objects, and served in every version.
fn complete(
    mut crd: ext::CustomResourceDefinition,
    rules: Vec<ext::ValidationRule>,
) -> ext::CustomResourceDefinition {
    let Some(mut stored) = crd.spec.versions.pop() else { return crd };
    if let Some(schema) = stored.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
        schema.x_kubernetes_validations = Some(rules);
    }
    crd.spec.versions = VERSIONS
        .into_iter()
        .map(|version| ext::CustomResourceDefinitionVersion {
            name: version.to_owned(),
            storage: version == STORAGE_VERSION,
            ..stored.clone()
        })
        .collect();
    crd.spec.conversion =
        Some(ext::CustomResourceConversion { strategy: "None".to_owned(), ..Default::default() });
    crd
}
