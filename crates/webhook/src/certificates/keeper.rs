//! Carries out the [`plan`](super::plan) while this replica holds the lease.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fpga_cluster::reach::Reach;
use fpga_cluster::watch::Watch;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
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
    /// Name of the MutatingWebhookConfiguration whose `caBundle` is kept; `None` if somebody else does.
    pub(crate) configuration: Option<String>,
    /// Whose the Secret is, if that is known.
    pub(crate) owner: Option<Box<OwnerReference>>,
}

/// What is known of the configuration, as of the Secret.
#[derive(Clone, Default)]
enum Configuration {
    #[default]
    Nothing,
    Absent,
    Found(Arc<MutatingWebhookConfiguration>),
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
            configurations: Api::all(client.clone()),
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
    configurations: Api<MutatingWebhookConfiguration>,
    objects: Objects,
    policy: Policy,
    /// Since when it is as in `last`.
    since: Instant,
    last: Option<(Keyring, Option<bool>)>,
}

impl Keeper {
    async fn run(&mut self, client: Client, mut known: watch::Receiver<Known>) {
        let (sender, mut configuration) = watch::channel(Configuration::Nothing);
        let follow = follow(client, self.objects.configuration.clone(), sender);
        let work = async {
            let mut reach = Reach::new("certificate renewal");
            loop {
                known.mark_unchanged();
                configuration.mark_unchanged();
                let pause = self.go_on(&known, &configuration, &mut reach).await;
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    Ok(()) = known.changed() => {}
                    Ok(()) = configuration.changed() => {}
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
        configuration: &watch::Receiver<Configuration>,
        reach: &mut Reach,
    ) -> Duration {
        const FOR_EVER: Duration = Duration::from_secs(60 * 60);
        let secret = match known.borrow().clone() {
            Known::Nothing => return FOR_EVER,
            Known::Absent => None,
            Known::Secret(secret) => Some(secret),
        };
        let keyring = secret.as_deref().map(Keyring::of).unwrap_or_default();
        let configuration = match (configuration.borrow().clone(), &self.objects.configuration) {
            (Configuration::Nothing, Some(_)) => return FOR_EVER,
            (Configuration::Found(found), _) => Some(found),
            (Configuration::Absent | Configuration::Nothing, _) => None,
        };
        let is_bundled = configuration.as_deref().map(|c| is_bundled(c, &keyring.bundle()));
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
        match self.take(step, secret.as_deref(), state.0, configuration.as_deref()).await {
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
        configuration: Option<&MutatingWebhookConfiguration>,
    ) -> Result<(), StepError> {
        let issue = || {
            let names: Vec<_> =
                self.policy.names.iter().map(|name| name.to_str().into_owned()).collect();
            issue(&names, SystemTime::now(), self.policy.lifetime)
        };
        let (new, word) = match step {
            Step::Wait(_) => return Ok(()),
            Step::Bundle => return self.bundle(&old.bundle(), configuration).await,
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

    /// Makes `bundle` what every webhook of the configuration trusts, and changes nothing else of it.
    async fn bundle(
        &self,
        bundle: &str,
        configuration: Option<&MutatingWebhookConfiguration>,
    ) -> Result<(), StepError> {
        let Some(configuration) = configuration else { return Ok(()) };
        let value = json!(ByteString(bundle.as_bytes().to_vec()));
        let webhooks = configuration.webhooks.iter().flatten().enumerate();
        let operations: Vec<_> = webhooks
            .flat_map(|(n, webhook)| {
                let name = format!("/webhooks/{n}/name");
                let place = format!("/webhooks/{n}/clientConfig/caBundle");
                [
                    json!({ "op": "test", "path": name, "value": webhook.name }),
                    json!({ "op": "add", "path": place, "value": value }),
                ]
            })
            .collect();
        let patch: json_patch::Patch =
            serde_json::from_value(json!(operations)).map_err(kube::Error::SerdeError)?;
        let name = configuration.metadata.name.as_deref().unwrap_or_default();
        let patch = Patch::Json::<()>(patch);
        self.configurations.patch(name, &PatchParams::default(), &patch).await?;
        tracing::info!("caBundle of MutatingWebhookConfiguration {name} set");
        Ok(())
    }
}

async fn follow(client: Client, name: Option<String>, known: watch::Sender<Configuration>) {
    let Some(name) = name else { return std::future::pending().await };
    let api: Api<MutatingWebhookConfiguration> = Api::all(client);
    let mut updates = Watch::one(api, &name, Reach::new("webhook configuration"));
    loop {
        known.send_replace(match updates.next().await {
            Some(found) => Configuration::Found(Arc::new(found)),
            None => {
                tracing::warn!(
                    "there is no MutatingWebhookConfiguration {name}, so nothing is sent here; waiting for it"
                );
                Configuration::Absent
            }
        });
    }
}

/// Whether every webhook trusts just `bundle`.
fn is_bundled(configuration: &MutatingWebhookConfiguration, bundle: &str) -> bool {
    let mut bundles =
        configuration.webhooks.iter().flatten().map(|w| w.client_config.ca_bundle.as_ref());
    bundles.all(|found| found.is_some_and(|found| found.0 == bundle.as_bytes()))
}

/// Since 1970; a clock that is before that counts as at its beginning.
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
