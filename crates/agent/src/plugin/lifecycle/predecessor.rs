//! Waits until the kubelet has noticed that whoever had a resource's name before is gone.
//!
//! When a plugin's stream ends, the kubelet disconnects whoever has the resource's name at the time that it notices
//! (`runClient` and `disconnectClient` in pkg/kubelet/cm/devicemanager/plugin/v1beta1/handler.go). So a plugin that
//! registers too early is disconnected in the place of the one before, and may not even learn of it: its endpoint counts
//! as stopped, and pods are refused. What tells that the kubelet has noticed is that it counts no healthy
//! device of the resource any more (`PluginDisconnected` in manager.go).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fpga::names::ResourceName;
use fpga_cluster::backoff::Backoff;

use crate::kubelet::podresources::is_offered;

/// Between two questions. A kubelet answers ten at once and then a hundred a second
/// (`DefaultQPS` in pkg/kubelet/apis/podresources).
const FIRST_WAIT: Duration = Duration::from_millis(2);
const SLOWEST_WAIT: Duration = Duration::from_millis(50);
/// A kubelet that goes on counting the devices has lost track of who offered them.
const LIMIT: Duration = Duration::from_secs(1);
/// How long it takes a kubelet at the most to notice the end of a stream, where it cannot be asked.
const UNASKED: Duration = Duration::from_millis(100);
/// The same, for the end that the agent made itself and nothing waits for.
pub(super) const SETTLED: Duration = Duration::from_millis(500);

/// Who offered the node's resources before this agent.
#[derive(Debug, Clone)]
pub(crate) struct Predecessor {
    /// The kubelet's pod resources socket, if it is to be asked.
    pub pod_resources: Option<PathBuf>,
    /// There was an agent until this one took over.
    pub is_certain: bool,
}

impl Predecessor {
    /// Waits until the kubelet takes nobody to offer `resource`, or ought not to.
    pub(super) async fn gone(&self, resource: &ResourceName) {
        let is_known = match &self.pod_resources {
            Some(socket) => is_gone(socket, resource).await,
            None => false,
        };
        if !is_known && self.is_certain {
            tokio::time::sleep(UNASKED).await;
        }
    }
}

/// False when the kubelet cannot be asked.
async fn is_gone(socket: &Path, resource: &ResourceName) -> bool {
    let until = Instant::now() + LIMIT;
    let mut waits = Backoff::new(FIRST_WAIT, SLOWEST_WAIT);
    loop {
        match is_offered(socket, resource).await {
            Ok(false) => return true,
            Ok(true) if Instant::now() < until => tokio::time::sleep(waits.delay()).await,
            Ok(true) => return true,
            Err(error) => {
                tracing::debug!("the kubelet does not tell what it counts: {error}");
                return false;
            }
        }
    }
}
