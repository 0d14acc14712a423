//! Kubernetes Events, few enough to be read. They wait for the API server only so long, and nothing waits for them.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use tokio::sync::mpsc;

use crate::api::{Server, chain};
use crate::reach;
use crate::told::Told;
use budget::Budget;

pub use budget::Rate;

mod budget;

/// Notices that wait to be written; further ones are dropped and counted.
const WAITING: usize = 64;
/// How long the API server may take for one.
const LIMIT: Duration = Duration::from_secs(10);
/// Where Events about objects without a namespace are: the kubelet's are there too.
const DEFAULT_NAMESPACE: &str = "default";
/// The longest note that an API server takes (`noteLengthLimit` in pkg/apis/core/validation/events.go).
const NOTE_LIMIT: usize = 1024;
/// The longest name of ours in an Event: the API server takes 128 bytes for an instance and appends to a name.
const NAME_LIMIT: usize = 128;

/// Something that an object's owner should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The object, in whose namespace the Event is.
    pub regarding: ObjectReference,
    /// One word for it, such as `Refused`.
    pub reason: &'static str,
    /// What happened, in one line.
    pub note: String,
    /// Whether somebody should look into it.
    pub is_warning: bool,
}

/// What became of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// The API server has it.
    Sent,
    /// There were too many.
    Limited,
    /// The API server did not take it.
    Failed,
}

/// Who writes Events, and how many.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The program, such as `fpga.intel.com/agent`.
    pub controller: &'static str,
    /// Which of its processes: the name of a node or a pod.
    pub instance: String,
    /// One word for what the program was doing.
    pub action: &'static str,
    /// What the Events are about, for the log line that says that there are none.
    pub about: String,
    /// How many there may be.
    pub rate: Rate,
    /// How often one is tried while the API server is away.
    pub attempts: u32,
}

/// Counts what became of notices.
type Count = Arc<dyn Fn(Sending) + Send + Sync>;

/// Where notices are handed in. Clones share it.
#[derive(Clone)]
pub struct Events {
    sender: mpsc::Sender<Notice>,
    count: Count,
}

/// The notices that are to be written.
pub struct Queue {
    notices: mpsc::Receiver<Notice>,
    count: Count,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Events {
    /// The place to hand notices in, and the queue that they are written from. `count` is called for each notice.
    #[must_use]
    pub fn new(count: impl Fn(Sending) + Send + Sync + 'static) -> (Self, Queue) {
        let (sender, notices) = mpsc::channel(WAITING);
        let count: Count = Arc::new(count);
        (Self { sender, count: Arc::clone(&count) }, Queue { notices, count })
    }

    /// Hands a notice in; never waits.
    pub fn send(&self, notice: Notice) {
        if self.sender.try_send(notice).is_err() {
            (self.count)(Sending::Limited);
        }
    }
}

/// Where notices about one object are handed in; without effect where nobody writes Events.
#[derive(Debug, Clone, Default)]
pub struct Reporter(Option<(Events, ObjectReference)>);

impl Reporter {
    /// All notices are about this object.
    #[must_use]
    pub fn new(events: Events, regarding: ObjectReference) -> Self {
        Self(Some((events, regarding)))
    }

    /// Hands in a notice that something is wrong.
    pub fn warn(&self, reason: &'static str, note: String) {
        self.send(reason, note, true);
    }

    /// Hands in a notice that all is well.
    pub fn tell(&self, reason: &'static str, note: String) {
        self.send(reason, note, false);
    }

    fn send(&self, reason: &'static str, note: String, is_warning: bool) {
        if let Some((events, regarding)) = &self.0 {
            events.send(Notice { regarding: regarding.clone(), reason, note, is_warning });
        }
    }
}

impl Queue {
    /// Writes notices as Events, until nobody can hand one in any more.
    pub async fn write(mut self, server: Server, terms: Terms) {
        let mut budget = Budget::new(terms.rate);
        let mut writer = Writer { server, terms, trouble: Told::default() };
        while let Some(notice) = self.notices.recv().await {
            let result = if budget.spend(&notice, Instant::now()) {
                writer.write(&notice).await
            } else {
                Sending::Limited
            };
            (self.count)(result);
        }
    }
}

struct Writer {
    server: Server,
    terms: Terms,
    trouble: Told,
}

enum Failure {
    /// It may work later.
    Passing(String),
    /// It will not.
    Final(String),
}

impl Writer {
    async fn write(&mut self, notice: &Notice) -> Sending {
        let namespace = notice.regarding.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
        let event = event(notice, namespace, &self.terms, Timestamp::now());
        let mut backoff = reach::backoff();
        for _ in 0..self.terms.attempts {
            let attempt = create(&self.server, namespace, &event);
            let failure = match tokio::time::timeout(LIMIT, attempt).await {
                Ok(Ok(())) => {
                    self.trouble.clear();
                    return Sending::Sent;
                }
                Ok(Err(failure)) => failure,
                Err(_) => Failure::Passing(format!("no answer within {}s", LIMIT.as_secs())),
            };
            match failure {
                Failure::Passing(reason) => self.report(reason),
                Failure::Final(reason) => {
                    self.report(reason);
                    break;
                }
            }
            tokio::time::sleep(backoff.delay()).await;
        }
        Sending::Failed
    }

    fn report(&mut self, reason: String) {
        if self.trouble.is_news(reason.clone()) {
            tracing::info!("no Events about {}: {reason}", self.terms.about);
        }
    }
}

async fn create(server: &Server, namespace: &str, event: &Event) -> Result<(), Failure> {
    let client = server.client().await.map_err(|error| Failure::Passing(chain(&error)))?;
    let events: Api<Event> = Api::namespaced(client, namespace);
    match events.create(&PostParams::default(), event).await {
        Ok(_) => Ok(()),
        // Forbidden, or not to its liking: it will say the same of this one again.
        Err(kube::Error::Api(status))
            if (400..500).contains(&status.code) && status.code != 429 =>
        {
            Err(Failure::Final(status.message.clone()))
        }
        Err(error) => Err(Failure::Passing(chain(&error))),
    }
}

fn event(notice: &Notice, namespace: &str, terms: &Terms, now: Timestamp) -> Event {
    let name = notice.regarding.name.as_deref().unwrap_or("pod");
    Event {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", prefix(name))),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        action: Some(terms.action.to_owned()),
        event_time: Some(MicroTime(now)),
        note: Some(cut(&notice.note, NOTE_LIMIT).to_owned()),
        reason: Some(notice.reason.to_owned()),
        regarding: Some(notice.regarding.clone()),
        reporting_controller: Some(terms.controller.to_owned()),
        reporting_instance: Some(prefix(&terms.instance).to_owned()),
        type_: Some(if notice.is_warning { "Warning" } else { "Normal" }.to_owned()),
        ..Event::default()
    }
}

fn prefix(name: &str) -> &str {
    cut(name, NAME_LIMIT).trim_end_matches(['-', '.'])
}

/// Where a character ends.
fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn notice(note: String) -> Notice {
        let regarding = ObjectReference {
            kind: Some("Pod".to_owned()),
            namespace: Some("vision".to_owned()),
            name: Some("inference-".to_owned()),
            ..ObjectReference::default()
        };
        Notice { regarding, reason: "Refused", note, is_warning: true }
    }

    fn terms() -> Terms {
        Terms {
            controller: "fpga.intel.com/webhook",
            instance: "webhook-1".to_owned(),
            action: "Admission",
            about: "pods".to_owned(),
            rate: Rate { burst: 10, refill: Duration::from_secs(30) },
            attempts: 1,
        }
    }

    #[test]
    fn an_event_is_what_the_api_server_takes() {
        let note = format!("{}é", "x".repeat(NOTE_LIMIT - 1));
        let now: Timestamp = "2026-11-25T20:00:00.5Z".parse().unwrap();
        let event = event(&notice(note), "vision", &terms(), now);
        assert_eq!(event.event_time, Some(MicroTime(now)));
        assert_eq!(event.note.unwrap().len(), NOTE_LIMIT - 1);
        assert_eq!(event.metadata.generate_name.as_deref(), Some("inference-"));
        assert_eq!(event.metadata.namespace.as_deref(), Some("vision"));
        assert_eq!(event.type_.as_deref(), Some("Warning"));
    }

    #[test]
    fn what_is_too_long_is_cut_where_a_character_ends() {
        let event = event(&notice("ä".repeat(NOTE_LIMIT)), "vision", &terms(), Timestamp::now());
        assert_eq!(event.note.unwrap().len(), NOTE_LIMIT);
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&dropped);
        let (events, _queue) = Events::new(move |result| {
            assert_eq!(result, Sending::Limited);
            counted.fetch_add(1, Ordering::Relaxed);
        });
        for _ in 0..WAITING + 3 {
            events.send(notice("no".to_owned()));
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 3);
    }
}
