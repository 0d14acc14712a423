//! What only region mode needs: what programs a region, and what is done when it is handed out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use fpga::names::{Mode, Named, ResourceName};

use crate::cdi::{self, Hook, Specs};
use crate::plugin::device::{Device, Offer};

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
    /// Whether the hook ignores the grants.
    pub allow_any: bool,
    /// Where the hook's results are, if they are to be counted.
    pub hook_results: Option<PathBuf>,
    /// The directory on the host whose files containers get as their nodes, instead of devices.
    pub bound_nodes: Option<String>,
}

/// Prepares what a container is given. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Handout {
    programming: Programming,
    bound_nodes: Option<Arc<str>>,
    hook: Hook,
    specs: Specs,
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
    /// Keeps `specs` in line with what is offered.
    #[must_use]
    pub(crate) fn new(config: &RegionConfig, specs: Specs) -> Self {
        let hook = config.hook.clone();
        let bound_nodes = config.bound_nodes.as_deref().map(Arc::from);
        Self { programming: config.programming, bound_nodes, hook, specs }
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

    /// This is offered now. To be awaited before the kubelet learns of it. What an earlier run left goes only when it
    /// `is_sure` that nobody else holds it: a container that is started again is resolved by its spec.
    pub(crate) async fn offer(&self, mode: Mode, offer: &Offer, is_sure: bool) {
        let specs = self.specs.clone();
        let is_cdi = self.programming == Programming::Cdi;
        let all = offer.iter().flat_map(|(name, devices)| devices.iter().map(move |d| (name, d)));
        let needed = all.filter(|(name, device)| is_cdi && is_promised(mode, name, device));
        let spec = |(_, device): (_, &Device)| {
            let text = cdi::region_spec(&device.id, &device.nodes, &self.hook);
            (device.id.clone(), text)
        };
        let wanted: BTreeMap<_, _> = needed.map(spec).collect();
        let set = tokio::task::spawn_blocking(move || specs.set(wanted, is_sure)).await;
        if let Err(error) = set {
            tracing::error!("CDI specs: {error}");
        }
    }

    /// Makes sure that a container gets what it needs to have these regions programmed.
    ///
    /// # Errors
    /// [`HandoutError`], and then the container must not start.
    pub(crate) async fn hand_out(&self, ids: &[String]) -> Result<(), HandoutError> {
        if self.programming == Programming::Cdi {
            let (specs, ids) = (self.specs.clone(), ids.to_vec());
            tokio::task::spawn_blocking(move || specs.ensure(&ids)).await??;
        }
        Ok(())
    }
}

/// Whether containers are told of a device by its CDI spec, or have been.
fn is_promised(mode: Mode, name: &ResourceName, device: &Device) -> bool {
    let is_region = matches!(name.named(), Named::Region(_));
    is_region && (mode == Mode::Region || device.is_over)
}
