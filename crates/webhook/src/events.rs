//! Kubernetes Events, few enough to be read: what was refused, and what no node can serve.

mod budget;

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::mpsc;

use crate::client::Reach;
use crate::metrics::Metrics;
use budget::Budget;

/// Notices that wait to be written; further ones are dropped and counted.
const WAITING: usize = 64;
/// The API server's limit for a note.
const NOTE_LIMIT: usize = 1024;
const CONTROLLER: &str = "fpga.intel.com/webhook";

/// Something that an object's owner should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What it is about. Its namespace is where the Event goes.
    pub regarding: ObjectReference,
    /// One word, such as `Refused`.
    pub reason: &'static str,
    /// In words.
    pub note: String,
    /// Whether something is wrong.
    pub is_warning: bool,
}

/// Where notices are handed in. Clones share it.
#[derive(Debug, Clone)]
pub struct Events {
    sender: mpsc::Sender<Notice>,
    metrics: Metrics,
}

impl Events {
    /// The place to hand notices in, and what [`write()`] takes them from.
    #[must_use]
    pub fn new(metrics: Metrics) -> (Self, mpsc::Receiver<Notice>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self { sender, metrics }, receiver)
    }

    /// Hands a notice in; never waits.
    pub fn send(&self, notice: Notice) {
        if self.sender.try_send(notice).is_err() {
            self.metrics.events_dropped.inc();
        }
    }
}

/// Writes notices as Events, as many as the budget of their namespace allows. An Event that cannot be written
/// is lost: it is a courtesy. Ends when nobody can hand one in any more.
pub async fn write(
    client: Client,
    instance: String,
    mut notices: mpsc::Receiver<Notice>,
    metrics: Metrics,
) {
    let mut budget = Budget::default();
    let mut reach = Reach::new("events");
    while let Some(notice) = notices.recv().await {
        let namespace = notice.regarding.namespace.clone().unwrap_or_default();
        if !budget.spend(&namespace, &notice, Instant::now()) {
            metrics.events_dropped.inc();
            continue;
        }
        let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
        match events.create(&PostParams::default(), &event(notice, &instance)).await {
            Ok(_) => reach.succeeded(),
            Err(error) => {
                metrics.events_dropped.inc();
                let pause = reach.failed(&error);
                tokio::time::sleep(pause.min(Duration::from_secs(5))).await;
            }
        }
    }
}

fn event(notice: Notice, instance: &str) -> Event {
    let Notice { regarding, reason, mut note, is_warning } = notice;
    if note.len() > NOTE_LIMIT {
        note.truncate(note.floor_char_boundary(NOTE_LIMIT));
    }
    let name = regarding.name.as_deref().unwrap_or("pod");
    Event {
        metadata: ObjectMeta {
            // The API server adds the rest; a name of its own is not to be longer than names may be.
            generate_name: Some(format!("{}-", prefix(name))),
            namespace: regarding.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some("Admission".to_owned()),
        event_time: Some(MicroTime(Timestamp::now())),
        note: Some(note),
        reason: Some(reason.to_owned()),
        regarding: Some(regarding),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(prefix(instance).to_owned()),
        type_: Some(if is_warning { "Warning" } else { "Normal" }.to_owned()),
        ..Event::default()
    }
}

fn prefix(name: &str) -> &str {
    const LENGTH: usize = 128;
    name.get(..name.floor_char_boundary(LENGTH)).unwrap_or_default().trim_end_matches(['-', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(note: &str) -> Notice {
        let regarding = ObjectReference {
            kind: Some("Pod".to_owned()),
            namespace: Some("vision".to_owned()),
            name: Some("inference-".to_owned()),
            ..ObjectReference::default()
        };
        Notice { regarding, reason: "Refused", note: note.to_owned(), is_warning: true }
    }

    #[test]
    fn what_is_too_long_is_cut_where_a_character_ends() {
        let event = event(notice(&"ä".repeat(NOTE_LIMIT)), "webhook-1");
        assert_eq!(event.note.unwrap().len(), NOTE_LIMIT);
        assert_eq!(event.metadata.generate_name.as_deref(), Some("inference-"));
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let metrics = Metrics::default();
        let (events, _receiver) = Events::new(metrics.clone());
        for _ in 0..WAITING + 3 {
            events.send(notice("no"));
        }
        assert_eq!(metrics.events_dropped.get(), 3);
    }
}
