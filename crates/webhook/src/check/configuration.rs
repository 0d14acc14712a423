//! The two webhook configurations: what the API server is told to do.

use fpga_findings::Finding;
use k8s_openapi::ClusterResourceScope;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::{Api, ResourceExt as _};
use serde::de::DeserializeOwned;

use super::address::Address;
use super::asking::{Asking, Trouble};
use super::{LOGS, service};

pub(super) const AREA: &str = "configuration";

/// Its names in the chart and in the plain manifest.
const NAMES: [&str; 2] = ["kube-fpga-webhook", "fpga-webhook"];

/// A kind of webhook configurations.
trait Configuration:
    kube::Resource<DynamicType = (), Scope = ClusterResourceScope>
    + Clone
    + std::fmt::Debug
    + DeserializeOwned
{
    /// What is wrong while there is none.
    fn absent(object: String) -> Finding;

    fn hooks(&self) -> Vec<Hook>;
}

/// A webhook of a configuration.
struct Hook {
    name: String,
    failure_policy: Option<String>,
    client: WebhookClientConfig,
    /// How it is changed.
    edit: String,
}

impl Configuration for MutatingWebhookConfiguration {
    fn absent(object: String) -> Finding {
        Finding::error(object, "there is no configuration for FPGAs")
            .because("the webhook is not installed, or was never registered")
            .fix(list::<Self>())
    }

    fn hooks(&self) -> Vec<Hook> {
        let hook = |w: &k8s_openapi::api::admissionregistration::v1::MutatingWebhook| Hook {
            name: w.name.clone(),
            failure_policy: w.failure_policy.clone(),
            client: w.client_config.clone(),
            edit: edit::<Self>(),
        };
        self.webhooks.iter().flatten().map(hook).collect()
    }
}

impl Configuration for ValidatingWebhookConfiguration {
    fn absent(object: String) -> Finding {
        Finding::warning(object, "there is no configuration for FPGAs")
            .because(
                "a webhook that runs after this one can add FPGAs to a pod, which nobody checks",
            )
            .fix("kubectl apply -f deploy/webhook")
    }

    fn hooks(&self) -> Vec<Hook> {
        let hook = |w: &k8s_openapi::api::admissionregistration::v1::ValidatingWebhook| Hook {
            name: w.name.clone(),
            failure_policy: w.failure_policy.clone(),
            client: w.client_config.clone(),
            edit: edit::<Self>(),
        };
        self.webhooks.iter().flatten().map(hook).collect()
    }
}

fn list<K: Configuration>() -> String {
    format!("kubectl get {}", K::plural(&()))
}

fn edit<K: Configuration>() -> String {
    format!("kubectl edit {} NAME", K::plural(&()))
}

/// A webhook that can be connected to.
pub(super) struct Target {
    /// What people know it by.
    pub(super) object: String,
    pub(super) address: Address,
    /// In PEM: all that the API server trusts.
    pub(super) authority: Vec<u8>,
}

/// The webhooks of the configurations `wanted`, or of those that are ours by name; what is wrong with the objects
/// themselves is reported.
pub(super) async fn targets(
    asking: &Asking,
    wanted: Option<&str>,
    report: &mut dyn FnMut(Finding),
) -> Vec<Target> {
    let mut targets = of_kind::<MutatingWebhookConfiguration>(asking, wanted, report).await;
    // Where nothing is installed it is enough to say so once.
    if !targets.is_installed {
        return Vec::new();
    }
    let validating = of_kind::<ValidatingWebhookConfiguration>(asking, wanted, report).await;
    // Mostly both are the same server, of which one answer is enough.
    for target in validating.found {
        if !targets.found.iter().any(|known| known.is_same_server(&target)) {
            targets.found.push(target);
        }
    }
    targets.found
}

impl Target {
    fn is_same_server(&self, other: &Self) -> bool {
        self.address == other.address && self.authority == other.authority
    }
}

#[derive(Default)]
struct Targets {
    is_installed: bool,
    found: Vec<Target>,
}

async fn of_kind<K: Configuration>(
    asking: &Asking,
    wanted: Option<&str>,
    report: &mut dyn FnMut(Finding),
) -> Targets {
    let kind = K::kind(&());
    let kinds = || format!("{kind}s");
    let found = match configurations::<K>(asking, wanted).await {
        Ok(found) => found,
        Err(trouble) => {
            let object = wanted.map_or_else(kinds, |name| format!("{kind} {name}"));
            report(trouble.finding(object).in_area(AREA));
            return Targets::default();
        }
    };
    if found.is_empty() {
        report(K::absent(wanted.map_or_else(kinds, str::to_owned)).in_area(AREA));
    }
    let mut targets = Targets { is_installed: !found.is_empty(), found: Vec::new() };
    for configuration in found {
        for hook in configuration.hooks() {
            let object = format!("{}: {}", configuration.name_any(), hook.name);
            targets.found.extend(target(asking, object, hook, report).await);
        }
    }
    targets
}

async fn configurations<K: Configuration>(
    asking: &Asking,
    wanted: Option<&str>,
) -> Result<Vec<K>, Trouble> {
    let api: Api<K> = Api::all(asking.client.clone());
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
            all.retain(|found| found.hooks().iter().any(|hook| hook.name.contains("fpga")));
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
    hook: Hook,
    report: &mut dyn FnMut(Finding),
) -> Option<Target> {
    match hook.failure_policy.as_deref() {
        Some("Ignore") => report(
            Finding::warning(&object, "its failurePolicy is Ignore")
                .because(
                    "while the webhook is away, pods with friendly names are accepted and stay pending, and nothing is refused",
                )
                .fix(&hook.edit)
                .in_area(AREA),
        ),
        policy => report(
            Finding::ok(&object, format_args!("failurePolicy {}", policy.unwrap_or("Fail")))
                .in_area(AREA),
        ),
    }
    let client = hook.client;
    let address = match (&client.url, &client.service) {
        (Some(url), _) => Address::of_url(url).map_err(|error| {
            Finding::error(&object, format_args!("its url {url:?} is invalid: {error}"))
                .because("the API server cannot call it")
                .fix(&hook.edit)
                .in_area(AREA)
        }),
        (None, Some(reference)) => service::address(asking, &object, reference, report).await,
        (None, None) => Err(Finding::error(&object, "it has neither a url nor a service")
            .because("the API server cannot call it")
            .fix(&hook.edit)
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
