//! Resources of ours that are left on the Node at zero.
//!
//! When a resource is withdrawn, as after a change of mode, the kubelet sets it to 0 in the Node's status
//! and never takes it away. `kubectl describe node` shows it forever. So what nobody offers any more is
//! removed: names of our domain alone, at 0, that the agent does not offer and that no plugin's socket is
//! there for.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use fpga::names::ResourceName;
use fpga_cluster::api::{Server, chain};
use kube::api::{Patch, PatchParams};
use kube::core::Request;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

/// When to look after a change: the kubelet sets the number to 0 within a minute, and lets go of the
/// resource five minutes after its plugin went (`endpointStopGracePeriod` in pkg/kubelet/cm/devicemanager).
const LOOKS: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(10 * 60),
];
/// How long the API server may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What the tidying must know.
#[derive(Debug)]
pub(crate) struct Source {
    pub server: Server,
    pub node: String,
    /// Directory of the plugins' sockets.
    pub sockets: PathBuf,
    /// What is offered now, once that is known.
    pub offered: watch::Receiver<Option<BTreeSet<ResourceName>>>,
}

/// Why nothing is tidied.
enum Failure {
    /// It may work next time.
    Passing(String),
    /// The agent may not.
    Forbidden(String),
}

/// How the checks after a change ended.
enum Round {
    /// Something else is offered now.
    Changed,
    /// All were made.
    Over,
    /// There is nothing to look for any more.
    Ended,
}

/// Tidies after each change of what is offered, until the agent ends or learns that it may not.
pub(crate) async fn tidy(mut source: Source) {
    loop {
        match source.round().await {
            Round::Changed => {}
            Round::Over if source.offered.changed().await.is_ok() => {}
            Round::Over | Round::Ended => return,
        }
    }
}

impl Source {
    async fn round(&mut self) -> Round {
        for delay in LOOKS {
            tokio::select! {
                changed = self.offered.changed() => {
                    return if changed.is_ok() { Round::Changed } else { Round::Ended };
                }
                () = tokio::time::sleep(delay) => {}
            }
            let looked = tokio::time::timeout(LIMIT, self.look()).await;
            match looked.unwrap_or_else(|_| Err(Failure::Passing("no answer".to_owned()))) {
                Ok(()) => {}
                Err(Failure::Passing(reason)) => {
                    tracing::debug!("node {}: not tidied: {reason}", self.node);
                }
                Err(Failure::Forbidden(reason)) => {
                    let node = &self.node;
                    tracing::info!(
                        "resources that are no longer offered stay on node {node} at 0: {reason}"
                    );
                    return Round::Ended;
                }
            }
        }
        Round::Over
    }

    async fn look(&self) -> Result<(), Failure> {
        let client = self.server.client().await.map_err(|error| passing(&error))?;
        let nodes = Request::new("/api/v1/nodes");
        let request =
            nodes.get(&self.node, &Default::default()).map_err(|error| passing(&error))?;
        let node: Value = client.request(request).await.map_err(refused)?;
        let Some(offered) = self.offered.borrow().clone() else { return Ok(()) };
        let stale: Vec<String> = stale(&node["status"], &offered)
            .filter(|name| !self.sockets.join(name.socket_name()).exists())
            .map(|name| name.to_string())
            .collect();
        if stale.is_empty() {
            return Ok(());
        }
        let patch = Patch::Merge(removal(&node, &stale));
        let request =
            nodes.patch_subresource("status", &self.node, &PatchParams::default(), &patch);
        let request = request.map_err(|error| passing(&error))?;
        client.request::<Value>(request).await.map_err(refused)?;
        tracing::info!(
            "removed from node {}, where they were at 0: {}",
            self.node,
            stale.join(", ")
        );
        Ok(())
    }
}

/// The resources of our domain that are at 0 and not offered.
fn stale<'a>(
    status: &'a Value,
    offered: &'a BTreeSet<ResourceName>,
) -> impl Iterator<Item = ResourceName> + 'a {
    let capacity = status["capacity"].as_object().into_iter().flatten();
    capacity.filter_map(move |(name, amount)| {
        let allocatable = &status["allocatable"][name];
        let is_zero = amount == "0" && (allocatable.is_null() || allocatable == "0");
        let name: ResourceName = name.parse().ok()?;
        (is_zero && !offered.contains(&name)).then_some(name)
    })
}

/// The patch that removes them, unless the Node has changed since it was read.
fn removal(node: &Value, stale: &[String]) -> Value {
    let none: Map<String, Value> = stale.iter().map(|name| (name.clone(), Value::Null)).collect();
    json!({
        "metadata": { "resourceVersion": node["metadata"]["resourceVersion"] },
        "status": { "capacity": none, "allocatable": none },
    })
}

fn passing(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::Passing(chain(error))
}

fn refused(error: kube::Error) -> Failure {
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            Failure::Forbidden(status.message.clone())
        }
        error => passing(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ours_at_zero_that_nobody_offers_is_stale() {
        let (gone, served, other) = (
            "fpga.intel.com/af-d8424dc4a4a3c413f89e433683f9040b",
            "fpga.intel.com/af-f7df405cbd7acf7222f144b0b93acd18",
            "fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6",
        );
        let offered = BTreeSet::from([served.parse().unwrap()]);
        let status = json!({
            "capacity": {
                gone: "0", served: "0", other: "1", "cpu": "0", "nvidia.com/gpu": "0",
                "fpga.intel.com/arria10": "0", "fpga.intel.community/x": "0",
            },
            "allocatable": { gone: "0", served: "0", other: "0" },
        });
        let found: Vec<_> = stale(&status, &offered).map(|name| name.to_string()).collect();
        assert_eq!(found, [gone]);
        let busy = json!({ "capacity": { gone: "0" }, "allocatable": { gone: "1" } });
        assert_eq!(stale(&busy, &offered).count(), 0);
        for nothing in [json!({}), json!(null), json!({ "capacity": [] })] {
            assert_eq!(stale(&nothing, &offered).count(), 0);
        }
    }
}
