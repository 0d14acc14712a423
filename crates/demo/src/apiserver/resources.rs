//! The kinds that a server knows.

/// A kind of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// API group; empty for the core's.
    pub group: String,
    /// The versions that it is served in, all with one schema.
    pub versions: Vec<String>,
    /// Its name in paths.
    pub plural: String,
    /// Its name in objects.
    pub kind: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
    /// Whether `status` is a subresource: then nobody changes it through the object itself.
    pub status: bool,
}

impl Resource {
    /// AcceleratorFunction objects, as their CRD defines them.
    #[must_use]
    pub fn accelerator_functions() -> Self {
        Self::custom("acceleratorfunctions", "AcceleratorFunction")
    }

    /// FpgaRegion objects, as their CRD defines them.
    #[must_use]
    pub fn fpga_regions() -> Self {
        Self::custom("fpgaregions", "FpgaRegion")
    }

    fn custom(plural: &str, kind: &str) -> Self {
        Self {
            group: "fpga.intel.com".to_owned(),
            versions: vec!["v1".to_owned(), "v2".to_owned()],
            plural: plural.to_owned(),
            kind: kind.to_owned(),
            namespaced: true,
            status: true,
        }
    }

    /// `group/version`, or the version alone for the core's kinds.
    #[must_use]
    pub fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }
}

/// The built-in kinds.
pub(super) fn builtin() -> Vec<Resource> {
    let resource = |group: &str, plural: &str, kind: &str, namespaced, status| Resource {
        group: group.to_owned(),
        versions: vec!["v1".to_owned()],
        plural: plural.to_owned(),
        kind: kind.to_owned(),
        namespaced,
        status,
    };
    vec![
        resource("", "namespaces", "Namespace", false, true),
        resource("", "nodes", "Node", false, true),
        resource("", "pods", "Pod", true, true),
        resource("", "secrets", "Secret", true, false),
        resource("", "configmaps", "ConfigMap", true, false),
        resource("", "services", "Service", true, true),
        resource("discovery.k8s.io", "endpointslices", "EndpointSlice", true, false),
        resource("events.k8s.io", "events", "Event", true, false),
        resource("coordination.k8s.io", "leases", "Lease", true, false),
        resource("resource.k8s.io", "resourceslices", "ResourceSlice", false, false),
        resource(
            "admissionregistration.k8s.io",
            "mutatingwebhookconfigurations",
            "MutatingWebhookConfiguration",
            false,
            false,
        ),
        resource(
            "admissionregistration.k8s.io",
            "validatingwebhookconfigurations",
            "ValidatingWebhookConfiguration",
            false,
            false,
        ),
    ]
}
