//! Carries out the [`plan`](super::plan) while this replica holds the lease.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fpga_cluster::reach::Reach;
use fpga_cluster::watch::Watch;
use k8s_openapi::ByteString;
use k8s_openapi::ClusterResourceScope;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::issue::issue;
use super::keyring::Keyring;
use super::plan::{Policy, Situation, Step};
use super::replica::Known;
use crate::owner;

/// Which objects are kept.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    /// Namespace of the Secret.
    pub(crate) namespace: String,
    /// Name of the Secret.
    pub(crate) secret: String,
    /// Name of the MutatingWebhookConfiguration and the ValidatingWebhookConfiguration whose `caBundle` is kept; `None`
    /// if somebody else does.
    pub(crate) configuration: Option<String>,
    /// Whose the Secret is, if that is known.
    pub(crate) owner: Option<Box<OwnerReference>>,
}

/// A webhook of a configuration, as far as it is kept.
#[derive(Debug, PartialEq)]
struct Hook {
    name: String,
    bundle: Option<ByteString>,
}

/// A kind of webhook configurations.
trait Hooks:
    kube::Resource<DynamicType = (), Scope = ClusterResourceScope>
    + Clone
    + std::fmt::Debug
    + DeserializeOwned
    + Send
    + 'static
{
    /// What comes of it when there is none.
    const ABSENT: &'static str;

    fn hooks(self) -> Vec<Hook>;
}

fn hook(name: String, client: WebhookClientConfig) -> Hook {
    Hook { name, bundle: client.ca_bundle }
}

impl Hooks for MutatingWebhookConfiguration {
    const ABSENT: &'static str = "nothing is sent here";

    fn hooks(self) -> Vec<Hook> {
        self.webhooks.into_iter().flatten().map(|w| hook(w.name, w.client_config)).collect()
    }
}

impl Hooks for ValidatingWebhookConfiguration {
    const ABSENT: &'static str = "what other webhooks add later is not checked";

    fn hooks(self) -> Vec<Hook> {
        self.webhooks.into_iter().flatten().map(|w| hook(w.name, w.client_config)).collect()
    }
}

/// What is known of a configuration, as of the Secret.
#[derive(Clone, Default)]
enum Configuration {
    #[default]
    Nothing,
    Absent,
    Found(Arc<[Hook]>),
}

/// What is known of both.
#[derive(Clone, Default)]
struct Configurations {
    mutating: Configuration,
    validating: Configuration,
}

impl Configurations {
    /// Those that there are, the mutating one first; `None` while one may be there or not.
    fn found(&self) -> Option<[Option<Arc<[Hook]>>; 2]> {
        let found = |configuration: &Configuration| match configuration {
            Configuration::Nothing => None,
            Configuration::Absent => Some(None),
            Configuration::Found(hooks) => Some(Some(Arc::clone(hooks))),
        };
        Some([found(&self.mutating)?, found(&self.validating)?])
    }
}

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error("no certificate can be made: {0}")]
    Issue(#[from] rcgen::Error),
    #[error(transparent)]
    Api(#[from] kube::Error),
}

/// Keeps the certificate whenever `leads` is true. Never ends.
pub(crate) async fn keep(
    client: Client,
    objects: Objects,
    policy: Policy,
    known: watch::Receiver<Known>,
    mut leads: watch::Receiver<bool>,
) {
    loop {
        if leads.wait_for(|leads| *leads).await.is_err() {
            return std::future::pending().await;
        }
        let mut keeper = Keeper {
            secrets: Api::namespaced(client.clone(), &objects.namespace),
            client: client.clone(),
            objects: objects.clone(),
            policy: policy.clone(),
            since: Instant::now(),
            last: None,
        };
        tokio::select! {
            () = keeper.run(client.clone(), known.clone()) => {}
            _ = leads.wait_for(|leads| !*leads) => {}
        }
    }
}

struct Keeper {
    secrets: Api<Secret>,
    client: Client,
    objects: Objects,
    policy: Policy,
    /// Since when it is as in `last`.
    since: Instant,
    last: Option<(Keyring, Option<bool>)>,
}

impl Keeper {
    async fn run(&mut self, client: Client, mut known: watch::Receiver<Known>) {
        let (sender, mut configurations) = watch::channel(Configurations::default());
        let name = self.objects.configuration.clone();
        let follow = follow(client, name, sender);
        let work = async {
            let mut reach = Reach::new("certificate renewal");
            loop {
                known.mark_unchanged();
                configurations.mark_unchanged();
                let pause = self.go_on(&known, &configurations, &mut reach).await;
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    Ok(()) = known.changed() => {}
                    Ok(()) = configurations.changed() => {}
                }
            }
        };
        tokio::select! {
            () = follow => {}
            () = work => {}
        }
    }

    /// Takes one step if everything is known that it takes. Returns when to look again if nothing changes.
    async fn go_on(
        &mut self,
        known: &watch::Receiver<Known>,
        configurations: &watch::Receiver<Configurations>,
        reach: &mut Reach,
    ) -> Duration {
        const FOR_EVER: Duration = Duration::from_secs(60 * 60);
        let secret = match known.borrow().clone() {
            Known::Nothing => return FOR_EVER,
            Known::Absent => None,
            Known::Secret(secret) => Some(secret),
        };
        let keyring = secret.as_deref().map(Keyring::of).unwrap_or_default();
        let found = match (configurations.borrow().found(), &self.objects.configuration) {
            (_, None) => [None, None],
            // A certificate that one of them does not trust would be served.
            (None, Some(_)) => return FOR_EVER,
            (Some(found), Some(_)) => found,
        };
        let bundle = keyring.bundle();
        let mut all = found.iter().flatten().peekable();
        let is_bundled = all.peek().is_some().then(|| all.all(|hooks| is_bundled(hooks, &bundle)));
        let state = (keyring, is_bundled);
        if self.last.as_ref() != Some(&state) {
            self.last = Some(state.clone());
            self.since = Instant::now();
        }
        let step = self.policy.step(&Situation {
            keyring: &state.0,
            is_bundled,
            unchanged: self.since.elapsed(),
            now: now(),
        });
        if let Step::Wait(pause) = step {
            return pause;
        }
        match self.take(step, secret.as_deref(), state.0, &found).await {
            // The watches tell what was written.
            Ok(()) => {
                reach.succeeded();
                FOR_EVER
            }
            Err(error) => reach.failed(&error),
        }
    }

    async fn take(
        &self,
        step: Step,
        secret: Option<&Secret>,
        old: Keyring,
        configurations: &[Option<Arc<[Hook]>>; 2],
    ) -> Result<(), StepError> {
        let issue = || {
            let names: Vec<_> =
                self.policy.names.iter().map(|name| name.to_str().into_owned()).collect();
            issue(&names, SystemTime::now(), self.policy.lifetime)
        };
        let (new, word) = match step {
            Step::Wait(_) => return Ok(()),
            Step::Bundle => {
                let [mutating, validating] = configurations.each_ref().map(Option::as_deref);
                let bundle = old.bundle();
                self.bundle::<MutatingWebhookConfiguration>(&bundle, mutating).await?;
                return self.bundle::<ValidatingWebhookConfiguration>(&bundle, validating).await;
            }
            Step::Replace => {
                (Keyring { current: Some(issue()?), next: None, previous_ca: None }, "made")
            }
            Step::Stage => (Keyring { next: Some(issue()?), ..old }, "next one made"),
            Step::Promote => {
                let previous_ca = old.current.map(|pair| pair.ca);
                (Keyring { current: old.next, next: None, previous_ca }, "next one in use")
            }
            Step::Retire => (Keyring { previous_ca: None, ..old }, "previous one retired"),
        };
        let name = self.objects.secret.as_str();
        let params = PostParams::default();
        match secret {
            Some(secret) => {
                // With the version that was read: who was faster wins.
                let mut secret = secret.clone();
                owner::put(&mut secret.metadata, self.objects.owner.as_deref());
                new.put(&mut secret);
                self.secrets.replace(name, &params, &secret).await?;
            }
            None => {
                let mut metadata =
                    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
                owner::put(&mut metadata, self.objects.owner.as_deref());
                let mut secret =
                    Secret { metadata, type_: Some("Opaque".to_owned()), ..Secret::default() };
                new.put(&mut secret);
                self.secrets.create(&params, &secret).await?;
            }
        }
        tracing::info!("certificate in Secret {name}: {word}");
        Ok(())
    }

    /// Makes `bundle` what every webhook of a configuration trusts, and changes nothing else of it.
    async fn bundle<K: Hooks>(
        &self,
        bundle: &str,
        hooks: Option<&[Hook]>,
    ) -> Result<(), StepError> {
        let Some(hooks) = hooks.filter(|hooks| !is_bundled(hooks, bundle)) else { return Ok(()) };
        let value = json!(ByteString(bundle.as_bytes().to_vec()));
        let operations: Vec<_> = hooks
            .iter()
            .enumerate()
            .flat_map(|(n, hook)| {
                let name = format!("/webhooks/{n}/name");
                let place = format!("/webhooks/{n}/clientConfig/caBundle");
                [
                    json!({ "op": "test", "path": name, "value": hook.name }),
                    json!({ "op": "add", "path": place, "value": value }),
                ]
            })
            .collect();
        let patch: json_patch::Patch =
            serde_json::from_value(json!(operations)).map_err(kube::Error::SerdeError)?;
        let name = self.objects.configuration.as_deref().unwrap_or_default();
        let patch = Patch::Json::<()>(patch);
        let api: Api<K> = Api::all(self.client.clone());
        api.patch(name, &PatchParams::default(), &patch).await?;
        tracing::info!("caBundle of {} {name} set", K::kind(&()));
        Ok(())
    }
}

async fn follow(client: Client, name: Option<String>, known: watch::Sender<Configurations>) {
    let Some(name) = name else { return std::future::pending().await };
    let mutating = follow_one::<MutatingWebhookConfiguration>(client.clone(), &name, |found| {
        known.send_modify(|known| known.mutating = found);
    });
    let validating = follow_one::<ValidatingWebhookConfiguration>(client, &name, |found| {
        known.send_modify(|known| known.validating = found);
    });
    tokio::join!(mutating, validating);
}

async fn follow_one<K: Hooks>(client: Client, name: &str, tell: impl Fn(Configuration)) {
    let mut updates = Watch::one(Api::<K>::all(client), name, Reach::new("webhook configuration"));
    loop {
        tell(match updates.next().await {
            Some(found) => Configuration::Found(found.hooks().into()),
            None => {
                let kind = K::kind(&());
                tracing::warn!("there is no {kind} {name}, so {}; waiting for it", K::ABSENT);
                Configuration::Absent
            }
        });
    }
}

/// Whether every webhook trusts just `bundle`.
fn is_bundled(hooks: &[Hook], bundle: &str) -> bool {
    let mut bundles = hooks.iter().map(|hook| hook.bundle.as_ref());
    bundles.all(|found| found.is_some_and(|found| found.0 == bundle.as_bytes()))
}

/// Since 1970; a clock that is before that counts as at its beginning.
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
