//! Kubernetes Events about the node: what became unhealthy, what is wrong without harm, and what is well
//! again. They are few (`budget`), they wait for the API server only so long, and nothing waits for them.

use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::core::Request;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::api::{self, Server, chain};
use crate::metrics::{Metrics, Sending};
use budget::Budget;

mod budget;

/// Events that wait for the API server.
const WAITING: usize = 64;
/// How long the API server may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How often one is tried, the last time after some minutes.
const ATTEMPTS: u32 = 12;
/// Where Events about things that have no namespace are: the kubelet's are there too.
const COLLECTION: &str = "/apis/events.k8s.io/v1/namespaces/default/events";
const CONTROLLER: &str = "fpga.intel.com/agent";
/// The longest note that an API server takes (`noteLengthLimit` in pkg/apis/core/validation/events.go).
const LONGEST_NOTE: usize = 1024;

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// One word for it.
    pub reason: &'static str,
    /// What happened, in one line.
    pub note: String,
    /// Whether somebody should look into it.
    pub is_warning: bool,
}

/// Where notices are given. Clones share everything.
#[derive(Debug, Clone)]
pub struct Reporter {
    notices: Option<mpsc::Sender<Notice>>,
    metrics: Metrics,
}

impl Reporter {
    /// Starts writing Events about `node`, if there is one and an API server.
    #[must_use]
    pub fn start(server: Option<&Server>, node: Option<&String>, metrics: Metrics) -> Self {
        let notices = server.zip(node).map(|(server, node)| {
            let (sender, notices) = mpsc::channel(WAITING);
            let writer = Writer {
                server: server.clone(),
                node: node.clone(),
                metrics: metrics.clone(),
                trouble: None,
            };
            tokio::spawn(writer.run(notices));
            sender
        });
        Self { notices, metrics }
    }

    /// Gives a notice; too many are counted and forgotten.
    pub fn tell(&self, notice: Notice) {
        let Some(notices) = &self.notices else { return };
        if notices.try_send(notice).is_err() {
            self.metrics.event(Sending::Limited);
        }
    }
}

struct Writer {
    server: Server,
    node: String,
    metrics: Metrics,
    /// What was last logged as being in the way.
    trouble: Option<String>,
}

enum Failure {
    /// It may work later.
    Passing(String),
    /// It will not.
    Final(String),
}

impl Writer {
    async fn run(mut self, mut notices: mpsc::Receiver<Notice>) {
        let mut budget = Budget::new(Instant::now());
        while let Some(notice) = notices.recv().await {
            let result = if budget.spend(&notice, Instant::now()) {
                self.write(&notice).await
            } else {
                Sending::Limited
            };
            self.metrics.event(result);
        }
    }

    async fn write(&mut self, notice: &Notice) -> Sending {
        let event = event(&self.node, notice, Timestamp::now());
        let mut backoff = api::backoff();
        for _ in 0..ATTEMPTS {
            let attempt = create(&self.server, &event);
            let failure = match tokio::time::timeout(LIMIT, attempt).await {
                Ok(Ok(())) => {
                    self.trouble = None;
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
        if self.trouble.as_ref() != Some(&reason) {
            tracing::info!("no Events about node {}: {reason}", self.node);
        }
        self.trouble = Some(reason);
    }
}

async fn create(server: &Server, event: &Value) -> Result<(), Failure> {
    let client = server.client().await.map_err(|error| Failure::Passing(chain(&error)))?;
    let body = serde_json::to_vec(event).map_err(|error| Failure::Final(error.to_string()))?;
    let request = Request::new(COLLECTION).create(&PostParams::default(), body);
    let request = request.map_err(|error| Failure::Final(error.to_string()))?;
    match client.request::<Value>(request).await {
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

/// `kubectl describe node` looks for what has the node's name as its uid, as the kubelet writes it.
fn event(node: &str, notice: &Notice, now: Timestamp) -> Value {
    let end = notice.note.floor_char_boundary(LONGEST_NOTE);
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": { "generateName": "fpga-agent-", "namespace": "default" },
        "eventTime": MicroTime(now),
        "reportingController": CONTROLLER,
        "reportingInstance": node,
        "action": "CheckHealth",
        "reason": notice.reason,
        "note": &notice.note[..end],
        "type": if notice.is_warning { "Warning" } else { "Normal" },
        "regarding": { "apiVersion": "v1", "kind": "Node", "name": node, "uid": node },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_what_the_api_server_takes() {
        let note = format!("{}é", "x".repeat(LONGEST_NOTE - 1));
        let notice = Notice { reason: "FpgaTemperature", note, is_warning: true };
        let now: Timestamp = "2026-11-25T20:00:00.5Z".parse().unwrap();
        let event = event("worker-1", &notice, now);
        assert_eq!(event["eventTime"], "2026-11-25T20:00:00.500000Z");
        assert_eq!(event["note"].as_str().unwrap().len(), LONGEST_NOTE - 1);
        let typed: k8s_openapi::api::events::v1::Event = serde_json::from_value(event).unwrap();
        assert_eq!(typed.regarding.unwrap().uid.unwrap(), "worker-1");
        assert_eq!(typed.type_.unwrap(), "Warning");
    }
}
