//! The lease: which of the replicas renews certificates and writes status. Admission needs none.
//!
//! A holder is taken to be gone when its lease was not renewed for the lease's duration as we saw it, by our
//! own clock: what is written in the lease says nothing when clocks differ.

use std::time::Duration;

use fpga_cluster::reach::Reach;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, OwnerReference};
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::owner;

/// Which lease, and who we are.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Our name in it, unlike any other replica's.
    pub(crate) identity: String,
    /// Whose it is, if that is known.
    pub(crate) owner: Option<OwnerReference>,
    /// How long it lasts without being renewed, in whole seconds; it is renewed three times as often.
    pub(crate) duration: Duration,
}

/// Holds the lease whenever it can, and says on `leads` whether it does, until `stop` is set: then it is given
/// back.
pub(crate) async fn hold(
    client: Client,
    terms: Terms,
    leads: watch::Sender<bool>,
    mut stop: watch::Receiver<bool>,
) {
    let leases = Api::namespaced(client, &terms.namespace);
    let mut candidate = Candidate { terms, leases, seen: None, renewed: None };
    let mut reach = Reach::new("lease");
    loop {
        let pause = match candidate.attempt().await {
            Ok(held) => {
                reach.succeeded();
                candidate.tell(&leads, held);
                candidate.terms.duration / 3
            }
            Err(error) => {
                let pause = reach.failed(&error);
                candidate.tell(&leads, false);
                pause.min(candidate.terms.duration / 3)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = crate::server::set(&mut stop) => break,
        }
    }
    leads.send_replace(false);
    candidate.release().await;
}

struct Candidate {
    terms: Terms,
    leases: Api<Lease>,
    /// The lease as it was last seen to change, and when.
    seen: Option<(Lease, Instant)>,
    /// When we last renewed it, if it is ours.
    renewed: Option<Instant>,
}

impl Candidate {
    /// Reads the lease, and takes or renews it if that is ours to do. True if we hold it.
    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        let begin = Instant::now();
        let Some(lease) = self.leases.get_opt(&self.terms.name).await? else {
            let mut metadata =
                ObjectMeta { name: Some(self.terms.name.clone()), ..ObjectMeta::default() };
            owner::put(&mut metadata, self.terms.owner.as_ref());
            let lease = Lease { metadata, spec: Some(self.spec(None)) };
            let made = self.leases.create(&PostParams::default(), &lease).await;
            return self.written(made, begin);
        };
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != lease) {
            self.seen = Some((lease.clone(), begin));
        }
        if !self.is_ours_to_take(&lease) {
            self.renewed = None;
            return Ok(false);
        }
        let spec = self.spec(lease.spec.as_ref());
        let mut lease = Lease { spec: Some(spec), ..lease };
        owner::put(&mut lease.metadata, self.terms.owner.as_ref());
        let made = self.leases.replace(&self.terms.name, &PostParams::default(), &lease).await;
        self.written(made, begin)
    }

    fn written(
        &mut self,
        made: Result<Lease, kube::Error>,
        begin: Instant,
    ) -> Result<bool, kube::Error> {
        match made {
            Ok(lease) => {
                self.seen = Some((lease, begin));
                self.renewed = Some(begin);
                Ok(true)
            }
            // Another replica was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                self.renewed = None;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn is_ours_to_take(&self, lease: &Lease) -> bool {
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.unwrap_or_default();
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let lasts = seconds.map_or(self.terms.duration, Duration::from_secs);
        let age = self.seen.as_ref().map(|(_, at)| at.elapsed()).unwrap_or_default();
        holder.is_empty() || holder == self.terms.identity || age >= lasts
    }

    fn spec(&self, old: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let old = old.cloned().unwrap_or_default();
        let is_ours = old.holder_identity.as_deref() == Some(&self.terms.identity);
        let transitions = old.lease_transitions.unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.terms.identity.clone()),
            lease_duration_seconds: i32::try_from(self.terms.duration.as_secs().max(1)).ok(),
            acquire_time: if is_ours { old.acquire_time } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(transitions.saturating_add(i32::from(!is_ours))),
            ..LeaseSpec::default()
        }
    }

    /// A holder that cannot renew stops before another may begin.
    fn tell(&mut self, leads: &watch::Sender<bool>, held: bool) {
        let last = self.renewed.filter(|at| at.elapsed() < self.terms.duration * 2 / 3);
        let is_held = held || last.is_some();
        let changed = leads.send_if_modified(|leads| std::mem::replace(leads, is_held) != is_held);
        if changed {
            let (name, identity) = (&self.terms.name, &self.terms.identity);
            match is_held {
                true => tracing::info!("{identity} holds the lease {name}"),
                false => tracing::warn!("{identity} no longer holds the lease {name}"),
            }
        }
    }

    /// Lets the next replica have it at once.
    async fn release(&mut self) {
        let Some((mut lease, _)) = self.seen.take().filter(|_| self.renewed.is_some()) else {
            return;
        };
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = None;
        let params = PostParams::default();
        let given_back = self.leases.replace(&self.terms.name, &params, &lease);
        match tokio::time::timeout(Duration::from_secs(2), given_back).await {
            Ok(Ok(_)) => tracing::info!("lease {} given back", self.terms.name),
            Ok(Err(error)) => tracing::debug!("lease {}: {error}", self.terms.name),
            Err(_) => tracing::debug!("lease {}: no answer", self.terms.name),
        }
    }
}
