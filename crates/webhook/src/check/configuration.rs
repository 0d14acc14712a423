//! The MutatingWebhookConfiguration: what the API server is told to do.

use fpga_findings::Finding;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration};
use kube::Api;

use super::address::Address;
use super::asking::{Asking, Trouble};
use super::{LOGS, service};

pub(super) const AREA: &str = "configuration";

/// Its names in the chart and in the plain manifest.
const NAMES: [&str; 2] = ["kube-fpga-webhook", "fpga-webhook"];
const EDIT: &str = "kubectl edit mutatingwebhookconfigurations NAME";

/// A webhook that can be connected to.
pub(super) struct Target {
    /// What people know it by.
    pub(super) object: String,
    pub(super) address: Address,
    /// In PEM: all that the API server trusts.
    pub(super) authority: Vec<u8>,
}

/// The webhooks of the configuration `wanted`, or of those that are ours by name; what is wrong with the objects
/// themselves is reported.
pub(super) async fn targets(
    asking: &Asking,
    wanted: Option<&str>,
    report: &mut dyn FnMut(Finding),
) -> Vec<Target> {
    let found = match configurations(asking, wanted).await {
        Ok(found) => found,
        Err(trouble) => {
            let object =
                wanted.map_or_else(kinds, |name| format!("MutatingWebhookConfiguration {name}"));
            report(trouble.finding(object).in_area(AREA));
            return Vec::new();
        }
    };
    if found.is_empty() {
        report(
            Finding::error(
                wanted.map_or_else(kinds, str::to_owned),
                "there is no configuration for FPGAs",
            )
            .because("the webhook is not installed, or was never registered")
            .fix("kubectl get mutatingwebhookconfigurations")
            .in_area(AREA),
        );
    }
    let mut targets = Vec::new();
    for configuration in found {
        let name = configuration.metadata.name.unwrap_or_default();
        for webhook in configuration.webhooks.into_iter().flatten() {
            let object = format!("{name}: {}", webhook.name);
            targets.extend(target(asking, object, webhook, report).await);
        }
    }
    targets
}

fn kinds() -> String {
    "MutatingWebhookConfigurations".to_owned()
}

async fn configurations(
    asking: &Asking,
    wanted: Option<&str>,
) -> Result<Vec<MutatingWebhookConfiguration>, Trouble> {
    let api: Api<MutatingWebhookConfiguration> = Api::all(asking.client.clone());
    let one = async |name: &str| match asking.get(&api, name).await {
        Ok(found) => Ok(vec![found]),
        Err(Trouble::Missing) => Ok(Vec::new()),
        Err(trouble) => Err(trouble),
    };
    if let Some(name) = wanted {
        return one(name).await;
    }
    match asking.list(&api, "").await {
        Ok(mut all) => {
            let is_ours = |webhook: &MutatingWebhook| webhook.name.contains("fpga");
            all.retain(|found| found.webhooks.iter().flatten().any(is_ours));
            Ok(all)
        }
        // The webhook's own account may read its own alone.
        Err(forbidden @ Trouble::Forbidden(_)) => {
            for name in NAMES {
                if let Ok(found) = one(name).await
                    && !found.is_empty()
                {
                    return Ok(found);
                }
            }
            Err(forbidden)
        }
        Err(trouble) => Err(trouble),
    }
}

/// Where a webhook is, if it is anywhere.
async fn target(
    asking: &Asking,
    object: String,
    webhook: MutatingWebhook,
    report: &mut dyn FnMut(Finding),
) -> Option<Target> {
    match webhook.failure_policy.as_deref() {
        Some("Ignore") => report(
            Finding::warning(&object, "its failurePolicy is Ignore")
                .because(
                    "while the webhook is away, pods with friendly names are accepted and stay pending, and nothing is refused",
                )
                .fix(EDIT)
                .in_area(AREA),
        ),
        policy => report(
            Finding::ok(&object, format_args!("failurePolicy {}", policy.unwrap_or("Fail")))
                .in_area(AREA),
        ),
    }
    let client = webhook.client_config;
    let address = match (&client.url, &client.service) {
        (Some(url), _) => Address::of_url(url).map_err(|error| {
            Finding::error(&object, format_args!("its url {url:?} is invalid: {error}"))
                .because("the API server cannot call it")
                .fix(EDIT)
                .in_area(AREA)
        }),
        (None, Some(reference)) => service::address(asking, &object, reference, report).await,
        (None, None) => Err(Finding::error(&object, "it has neither a url nor a service")
            .because("the API server cannot call it")
            .fix(EDIT)
            .in_area(AREA)),
    };
    let authority = client.ca_bundle.map(|bundle| bundle.0).unwrap_or_default();
    if authority.is_empty() {
        report(
            Finding::error(&object, "its caBundle is empty")
                .because("nobody has put the certificate authority there, so that no call succeeds")
                .fix(LOGS)
                .in_area(AREA),
        );
        return None;
    }
    match address {
        Ok(address) => Some(Target { object, address, authority }),
        Err(finding) => {
            report(finding);
            None
        }
    }
}
