//! Says on each object whether some node can serve it, while this replica holds the lease.

mod nodes;
mod verdict;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fpga_api::{Condition, ConditionStatus, Manifest, Status};
use fpga_cluster::debounce::Debounce;
use fpga_cluster::events::{Events, Notice};
use fpga_cluster::reach::Reach;
use fpga_cluster::watch::Watch;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::declared::Declared;
use crate::follow::{Key, Known};
use crate::index::Offer;
use nodes::Offers;
pub(crate) use verdict::NO_NODE;
use verdict::Verdict;

/// What nodes offer and what objects say changes in bursts; what it amounts to is written after a pause, but no
/// later than [`PATIENCE`] after the first change.
const QUIET: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two writes, so that a thousand objects are no load to speak of.
const PACE: Duration = Duration::from_millis(10);

/// Writes status whenever `leads` is true. Never ends.
pub(crate) async fn write(
    client: Client,
    known: Arc<Known>,
    events: Events,
    mut leads: watch::Receiver<bool>,
) {
    loop {
        if leads.wait_for(|leads| *leads).await.is_err() {
            return std::future::pending().await;
        }
        let mut writer = Writer {
            client: client.clone(),
            known: Arc::clone(&known),
            events: events.clone(),
            offers: Offers::default(),
        };
        tokio::select! {
            () = writer.run() => {}
            _ = leads.wait_for(|leads| !*leads) => {}
        }
    }
}

struct Writer {
    client: Client,
    known: Arc<Known>,
    events: Events,
    offers: Offers,
}

impl Writer {
    async fn run(&mut self) {
        let mut nodes = Watch::every(Api::all(self.client.clone()), Reach::new("nodes"));
        let mut objects = self.known.changes();
        let mut reach = Reach::new("status of objects");
        let mut debounce = Debounce::new(QUIET, PATIENCE);
        let mut to_do: VecDeque<Key> = VecDeque::new();
        let mut next_write = Instant::now();
        debounce.changed();
        loop {
            tokio::select! {
                event = nodes.next() => {
                    // Heartbeats change nothing of what a node offers, and are most of what nodes send.
                    if self.offers.take(event) {
                        debounce.changed();
                    }
                }
                Ok(()) = objects.changed() => debounce.changed(),
                () = debounce.due(), if self.offers.is_complete() => {
                    to_do = self.known.keys().into();
                }
                () = sleep_until(next_write), if !to_do.is_empty() => {
                    match self.write_one(&mut to_do).await {
                        Ok(()) => reach.succeeded(),
                        Err(error) => debounce.retry_in(reach.failed(&error)),
                    }
                    next_write = Instant::now() + PACE;
                }
            }
        }
    }

    /// Writes the first status that differs from what is there, and drops from `to_do` what needs no more. After a
    /// failure nothing is left to do: it begins anew.
    async fn write_one(&self, to_do: &mut VecDeque<Key>) -> Result<(), kube::Error> {
        let now = k8s_openapi::jiff::Timestamp::now().to_string();
        while let Some(key) = to_do.pop_front() {
            let Some(object) = self.known.get(&key) else { continue };
            let resource = Offer::of(&object.meaning, self.known.index.rules());
            let verdict = Verdict::of(&resource.map(|offer| offer.resource), &self.offers);
            let Some(status) = verdict.status(&object.status, object.generation, &now) else {
                continue;
            };
            let written = self.patch(&key, &status).await;
            if written.is_err() {
                to_do.clear();
            }
            if written? {
                self.tell(&key, &object, &status);
            }
            break;
        }
        Ok(())
    }

    /// Returns false if the object was removed meanwhile.
    async fn patch(
        &self,
        (kind, namespace, name): &Key,
        status: &Status,
    ) -> Result<bool, kube::Error> {
        let objects: Api<Manifest> = Api::namespaced_with(self.client.clone(), namespace, kind);
        let patch = Patch::Merge(verdict::patch(status));
        match objects.patch_status(name, &PatchParams::default(), &patch).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Says in an Event what is new about an object. That all is well is news only after it was not.
    fn tell(&self, (kind, namespace, name): &Key, object: &Declared, status: &Status) {
        let Some(Condition { status, reason, message, .. }) = status.conditions.first() else {
            return;
        };
        let old = object.status.conditions.first().map(|old| (old.status, &old.reason));
        let is_news = old != Some((*status, reason));
        let is_ready = *status == ConditionStatus::True;
        if !is_news || is_ready && old.is_none() {
            return;
        }
        self.events.send(Notice {
            regarding: ObjectReference {
                api_version: Some(format!("{}/{}", fpga_api::GROUP, fpga_api::STORAGE_VERSION)),
                kind: Some(kind.as_str().to_owned()),
                namespace: Some(namespace.clone()),
                name: Some(name.clone()),
                uid: object.uid.as_deref().map(str::to_owned),
                ..ObjectReference::default()
            },
            reason: verdict::reason(reason),
            note: message.clone(),
            is_warning: !is_ready,
        });
    }
}
