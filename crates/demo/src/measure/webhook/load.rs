//! Many clients at once. A client opens a new connection now and then, trusting what the configuration says at that
//! moment, as API servers do; a request that fails ends the measurement.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hyper::StatusCode;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Cluster, cpu_time};
use crate::admission::{Connection, Verdict, review, verdict};
use crate::measure::statistics::Samples;

const CONNECTIONS: usize = 64;
/// Requests of a connection before there is another one in its place.
const REQUESTS: usize = 500;
const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";

pub(super) struct Load {
    pod: Value,
    review: Bytes,
    is_changed: bool,
}

impl Load {
    /// Pods that ask for a function.
    pub(super) fn new(function: &str, namespace: &str) -> Self {
        let resource = format!("fpga.intel.com/{function}");
        let counts = json!({ resource: "1" });
        Self::of(namespace, json!({ "limits": counts, "requests": counts }), true)
    }

    /// Pods that ask for none, which a real API server would not even send.
    pub(super) fn without_fpga() -> Self {
        let counts = json!({ "cpu": "1", "memory": "1Gi" });
        Self::of("team-7", json!({ "limits": counts, "requests": counts }), false)
    }

    fn of(namespace: &str, resources: Value, is_changed: bool) -> Self {
        let env: Vec<_> =
            (0..8).map(|n| json!({ "name": format!("V{n}"), "value": "something" })).collect();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "p", "namespace": namespace, "labels": { "app": "inference" } },
            "spec": { "containers": [{
                "name": "c", "image": "registry/inference:1", "env": env, "resources": resources,
                "volumeMounts": [{ "name": "t", "mountPath": "/var/run/secrets" }],
            }], "volumes": [{ "name": "t", "emptyDir": {} }] },
        });
        let review = Bytes::from(review(UID, namespace, &pod, false).to_string());
        Self { pod, review, is_changed }
    }

    /// The times that requests take which come at a rate, spread over the connections.
    pub(super) async fn at_rate(
        &self,
        cluster: &Arc<Cluster>,
        rate: u32,
        lasts: Duration,
    ) -> anyhow::Result<Samples> {
        self.check(cluster).await?;
        let count = u32::try_from(CONNECTIONS)?;
        let interval = Duration::from_secs(1) / rate * count;
        let begin = tokio::time::Instant::now();
        let mut clients = JoinSet::new();
        for n in 0..count {
            let (cluster, review) = (Arc::clone(cluster), self.review.clone());
            clients.spawn(async move {
                let (mut client, mut samples) = (Client::new(cluster).await?, Vec::new());
                let mut due = begin + interval * n / count;
                while due < begin + lasts {
                    tokio::time::sleep_until(due).await;
                    client.renew().await?;
                    let sent = Instant::now();
                    client.send(&review).await?;
                    samples.push(sent.elapsed());
                    due += interval;
                }
                anyhow::Ok(samples)
            });
        }
        let mut all = Samples::default();
        while let Some(samples) = clients.join_next().await {
            samples??.into_iter().for_each(|sample| all.add(sample));
        }
        Ok(all)
    }

    /// Requests per second of the webhook's processor time: the machine's cores are shared with the clients.
    pub(super) async fn as_fast_as_it_goes(
        &self,
        cluster: &Arc<Cluster>,
        lasts: Duration,
    ) -> anyhow::Result<f64> {
        self.check(cluster).await?;
        let (begin, before) = (Instant::now(), cpu_time(cluster.webhook.pid())?);
        let mut clients = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (cluster, review) = (Arc::clone(cluster), self.review.clone());
            clients.spawn(async move {
                let (mut client, mut answered) = (Client::new(cluster).await?, 0_u32);
                while begin.elapsed() < lasts {
                    client.renew().await?;
                    client.send(&review).await?;
                    answered += 1;
                }
                anyhow::Ok(answered)
            });
        }
        let mut answered = 0;
        while let Some(count) = clients.join_next().await {
            answered += count??;
        }
        let spent = cpu_time(cluster.webhook.pid())? - before;
        Ok(f64::from(answered) / spent.as_secs_f64())
    }

    /// What is measured is what is meant: the pod is changed, or it is not.
    async fn check(&self, cluster: &Cluster) -> anyhow::Result<()> {
        let (status, body) = cluster.client()?.connect().await?.post(self.review.clone()).await?;
        ensure!(status == StatusCode::OK, "HTTP {status}");
        match verdict(&serde_json::from_slice(&body)?, UID, &self.pod)? {
            Verdict::Allowed { pod, .. } => ensure!((pod != self.pod) == self.is_changed, "{pod}"),
            Verdict::Refused(message) => anyhow::bail!("the pod was refused: {message}"),
        }
        Ok(())
    }
}

struct Client {
    cluster: Arc<Cluster>,
    connection: Connection,
    sent: usize,
}

impl Client {
    async fn new(cluster: Arc<Cluster>) -> anyhow::Result<Self> {
        let connection = cluster.client()?.connect().await.context("a connection failed")?;
        Ok(Self { cluster, connection, sent: 0 })
    }

    async fn renew(&mut self) -> anyhow::Result<()> {
        if self.sent == REQUESTS {
            *self = Self::new(Arc::clone(&self.cluster)).await?;
        }
        Ok(())
    }

    async fn send(&mut self, review: &Bytes) -> anyhow::Result<()> {
        self.sent += 1;
        let (status, body) =
            self.connection.post(review.clone()).await.context("a request failed")?;
        ensure!(status == StatusCode::OK, "HTTP {status}");
        let allowed = b"\"allowed\":true";
        ensure!(body.windows(allowed.len()).any(|w| w == allowed), "a pod was refused");
        Ok(())
    }
}
