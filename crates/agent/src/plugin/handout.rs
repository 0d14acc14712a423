//! What only region mode needs: what programs a region, and what is done when it is handed out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use fpga::names::{Mode, RegionDevelName, ResourceName};
use tokio::sync::mpsc;

use crate::cdi::{self, Hook, Specs};
use crate::kubelet::podresources::Held;
use crate::plugin::device::Device;

/// What has a region programmed before a container starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Programming {
    /// A CDI spec for each region, which has the runtime run the hook. For kubelets from 1.29 on.
    Cdi,
    /// An annotation of the container, on which the file that `fpgactl install-host --hooks-dir` puts
    /// there has CRI-O run the hook.
    #[value(name = "hooks.d")]
    HooksD,
    /// Nothing: a container gets a region with the function that is in it.
    None,
}

/// The part of the configuration that is about region mode.
#[derive(Debug, Clone)]
pub(crate) struct RegionConfig {
    /// What has a region programmed before a container starts.
    pub programming: Programming,
    /// Directory of the CDI specs.
    pub cdi_dir: PathBuf,
    /// The hook that is named in them.
    pub hook: Hook,
    /// The file of grants that is kept, if one is.
    pub grants_file: Option<PathBuf>,
    /// After how long without the API server nothing is granted any more; `None` keeps what is.
    pub grants_expire: Option<Duration>,
    /// Whether the hook ignores the grants.
    pub allow_any: bool,
    /// Where the hook's results are, if they are to be counted.
    pub hook_results: Option<PathBuf>,
    /// The directory on the host whose files containers get as their nodes, instead of devices.
    pub bound_nodes: Option<String>,
    /// The kubelet's pod resources socket, if it is to be asked.
    pub pod_resources: Option<PathBuf>,
    /// How regions are called that are given with their management node.
    pub regiondevel: RegionDevelName,
}

/// Prepares what a container is given. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Handout {
    programming: Programming,
    regiondevel: RegionDevelName,
    bound_nodes: Option<Arc<str>>,
    hook: Hook,
    specs: Specs,
    allocations: mpsc::UnboundedSender<Vec<Held>>,
}

/// A container that would start without its regions being programmed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandoutError {
    /// For want of a CDI spec.
    #[error(transparent)]
    Cdi(#[from] cdi::Error),
    /// The thread that writes specs ended.
    #[error("CDI specs: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

impl Handout {
    /// Keeps `specs` in line with what is offered, and reports what is handed out on `allocations`.
    #[must_use]
    pub(crate) fn new(
        config: &RegionConfig,
        specs: Specs,
        allocations: mpsc::UnboundedSender<Vec<Held>>,
    ) -> Self {
        let hook = config.hook.clone();
        let bound_nodes = config.bound_nodes.as_deref().map(Arc::from);
        let RegionConfig { programming, regiondevel, .. } = *config;
        Self { programming, regiondevel, bound_nodes, hook, specs, allocations }
    }

    /// True if a node in `mode` gives containers what `resource` says.
    #[must_use]
    pub(crate) fn may_give(&self, resource: &ResourceName, mode: Mode) -> bool {
        resource.named().is_given_in(mode, self.regiondevel)
    }

    /// What has a region programmed before a container starts.
    #[must_use]
    pub(crate) fn programming(&self) -> Programming {
        self.programming
    }

    /// The directory on the host whose files containers get as their nodes, instead of devices.
    #[must_use]
    pub(crate) fn bound_nodes(&self) -> Option<&str> {
        self.bound_nodes.as_deref()
    }

    /// There are these devices now. To be awaited before the kubelet learns of them.
    pub(crate) async fn offer(&self, mode: Mode, devices: Vec<Device>) {
        let specs = self.specs.clone();
        let needed = mode == Mode::Region && self.programming == Programming::Cdi;
        let spec = |device: Device| {
            let text = cdi::region_spec(&device.id, &device.nodes, &self.hook);
            (device.id, text)
        };
        let wanted = if needed { devices.into_iter().map(spec).collect() } else { BTreeMap::new() };
        if let Err(error) = tokio::task::spawn_blocking(move || specs.set(wanted)).await {
            tracing::error!("CDI specs: {error}");
        }
    }

    /// Makes sure that a container gets what it needs to have these regions programmed, and remembers
    /// that they are in use.
    ///
    /// # Errors
    /// [`HandoutError`], and then the container must not start.
    pub(crate) async fn hand_out(
        &self,
        resource: &ResourceName,
        ids: Vec<String>,
    ) -> Result<(), HandoutError> {
        let ids: Arc<[String]> = ids.into();
        if self.programming == Programming::Cdi {
            let (specs, ids) = (self.specs.clone(), Arc::clone(&ids));
            tokio::task::spawn_blocking(move || specs.ensure(&ids)).await??;
        }
        let held = |id: &String| Held { resource: resource.to_string(), id: id.clone() };
        // Nobody listens where the cleaning is switched off.
        let _ = self.allocations.send(ids.iter().map(held).collect());
        Ok(())
    }
}
