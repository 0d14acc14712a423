//! What has devices prepared for a container, and what is done when they are handed out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use fpga::id::DeviceId;
use fpga::names::{Mode, ResourceName, Use};
use fpga::uses::{self, Uses};
use tokio::sync::mpsc;

use crate::cdi::{self, Hook, Specs};
use crate::kubelet::podresources::Held;
use crate::plugin::device::Device;
use crate::programmer::{Programmer, Uncleaned};

/// What runs the hook before a container starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Programming {
    /// A CDI spec for each device, which has the runtime run the hook. For kubelets from 1.29 on.
    Cdi,
    /// The files that `fpgactl install-host --hooks-dir` puts there, which have CRI-O run the hook for every
    /// container.
    #[value(name = "hooks.d")]
    HooksD,
    /// Nothing: a container gets a device with the function that is in it.
    None,
}

/// The part of the configuration that is about region mode.
#[derive(Debug, Clone)]
pub(crate) struct RegionConfig {
    /// What has a region programmed before a container starts.
    pub programming: Programming,
    /// Whether the hook claims ports in the other modes, too.
    pub claim_ports: bool,
    /// The file that says to the hook what devices are for, where no specification does.
    pub uses_file: PathBuf,
    /// The socket of the programmer, if there is one.
    pub programmer: Option<PathBuf>,
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
    /// The kubelet's pod resources socket, if it is to be asked.
    pub pod_resources: Option<PathBuf>,
}

/// Prepares what a container is given. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Handout {
    programming: Programming,
    claim_ports: bool,
    uses_file: Arc<Path>,
    programmer: Option<Programmer>,
    bound_nodes: Option<Arc<str>>,
    hook: Hook,
    specs: Specs,
    allocations: mpsc::UnboundedSender<Vec<Held>>,
}

/// A container that would start without its devices being prepared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandoutError {
    /// For want of a CDI spec.
    #[error(transparent)]
    Cdi(#[from] cdi::Error),
    /// Its port is somebody's, or cannot be reset.
    #[error(transparent)]
    Unclean(#[from] Uncleaned),
    /// The thread that does the work ended.
    #[error("hand-out: {0}")]
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
        let RegionConfig { programming, claim_ports, ref uses_file, .. } = *config;
        let uses_file = uses_file.as_path().into();
        let programmer = config.programmer.clone().map(Programmer::new);
        Self {
            programming,
            claim_ports,
            uses_file,
            programmer,
            bound_nodes,
            hook,
            specs,
            allocations,
        }
    }

    /// What runs the hook before a container with devices of this mode starts.
    #[must_use]
    pub(crate) fn programming(&self, mode: Mode) -> Programming {
        match mode {
            Mode::Region => self.programming,
            Mode::Af | Mode::RegionDevel if self.claim_ports => self.programming,
            Mode::Af | Mode::RegionDevel => Programming::None,
        }
    }

    /// The directory on the host whose files containers get as their nodes, instead of devices.
    #[must_use]
    pub(crate) fn bound_nodes(&self) -> Option<&str> {
        self.bound_nodes.as_deref()
    }

    /// There are these devices now. To be awaited before the kubelet learns of them.
    pub(crate) async fn offer(&self, mode: Mode, devices: Vec<Device>) {
        let (specs, usage) = (self.specs.clone(), Use::from(mode));
        let wanted = match self.programming(mode) {
            Programming::Cdi => {
                let spec = |device: &Device| cdi::device_spec(device, usage, &self.hook);
                devices.iter().map(|device| (device.id.clone(), spec(device))).collect()
            }
            Programming::HooksD | Programming::None => BTreeMap::new(),
        };
        // There the hook runs for every container, whether it claims ports or not.
        let uses = (self.programming == Programming::HooksD).then(|| {
            let uses = devices.iter().map(|device| (device.place, usage)).collect::<Uses>();
            (Arc::clone(&self.uses_file), uses)
        });
        let write = move || {
            specs.set(wanted);
            if let Some((path, uses)) = uses
                && let Err(error) = uses::save(&path, &uses)
            {
                tracing::error!("{}: what devices are for is not written: {error}", path.display());
            }
        };
        if let Err(error) = tokio::task::spawn_blocking(write).await {
            tracing::error!("CDI specs: {error}");
        }
    }

    /// Makes sure that a container gets what it needs to have these devices prepared, and remembers that they are in
    /// use.
    ///
    /// # Errors
    /// [`HandoutError`], and then the container must not start.
    pub(crate) async fn hand_out(
        &self,
        resource: &ResourceName,
        mode: Mode,
        devices: &[&Device],
    ) -> Result<(), HandoutError> {
        let ids: Vec<String> = devices.iter().map(|device| device.id.clone()).collect();
        let specs =
            (self.programming(mode) == Programming::Cdi).then(|| (self.specs.clone(), ids.clone()));
        // A region is prepared by the hook, which knows whom it is for.
        let programmer = self.programmer.clone().filter(|_| mode == Mode::Af);
        let places: Vec<DeviceId> = devices.iter().map(|device| device.place).collect();
        let work = move || {
            if let Some((specs, ids)) = specs {
                specs.ensure(&ids)?;
            }
            match programmer {
                Some(programmer) => Ok(programmer.clean_all(&places)?),
                None => Ok(()),
            }
        };
        tokio::task::spawn_blocking(work).await.map_err(HandoutError::from).flatten()?;
        let held = |id: &String| Held { resource: resource.to_string(), id: id.clone() };
        // Nobody listens where the cleaning is switched off.
        let _ = self.allocations.send(ids.iter().map(held).collect());
        Ok(())
    }
}
