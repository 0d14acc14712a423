//! What has devices prepared for a container, and what is done when they are handed out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use fpga::id::DeviceId;
use fpga::names::{Mode, Named, RegionDevelName, ResourceName};
use fpga::uses::{self, Uses};
use tokio::sync::watch;

use crate::cdi::{self, Hook, Specs};
use crate::plugin::device::{Device, Offer};
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
    pub claim_slots: bool,
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
    /// After how long without the API server nothing is granted any more; `None` keeps what is.
    pub grants_expire: Option<Duration>,
    /// Whether the hook ignores the grants.
    pub allow_any: bool,
    /// Where the hook's results are, if they are to be counted.
    pub hook_results: Option<PathBuf>,
    /// The directory on the host whose files containers get as their nodes, instead of devices.
    pub bound_nodes: Option<String>,
    /// How regions are called that are given with their management node.
    pub regiondevel: RegionDevelName,
}

/// Prepares what a container is given. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Handout {
    programming: Programming,
    claim_slots: bool,
    uses_file: Arc<Path>,
    programmer: Option<Programmer>,
    regiondevel: RegionDevelName,
    bound_nodes: Option<Arc<str>>,
    hook: Hook,
    specs: Specs,
    gives_regions: Arc<watch::Sender<bool>>,
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
    /// Keeps `specs` in line with what is offered.
    #[must_use]
    pub(crate) fn new(config: &RegionConfig, specs: Specs) -> Self {
        let hook = config.hook.clone();
        let bound_nodes = config.bound_nodes.as_deref().map(Arc::from);
        let RegionConfig { programming, claim_slots, regiondevel, ref uses_file, .. } = *config;
        let uses_file = uses_file.as_path().into();
        let programmer = config.programmer.clone().map(Programmer::new);
        Self {
            programming,
            claim_slots,
            uses_file,
            programmer,
            regiondevel,
            bound_nodes,
            hook,
            specs,
            gives_regions: Arc::default(),
        }
    }

    /// Whether there are regions that the hook may be run for at any time: those that are offered, and those that pods
    /// still have.
    pub(crate) fn gives_regions(&self) -> watch::Receiver<bool> {
        self.gives_regions.subscribe()
    }

    /// Who opens cards for the agent, if anybody does.
    pub(crate) fn programmer(&self) -> Option<Programmer> {
        self.programmer.clone()
    }

    /// True if a node in `mode` gives containers what `resource` says.
    #[must_use]
    pub(crate) fn may_give(&self, resource: &ResourceName, mode: Mode) -> bool {
        resource.named().is_given_in(mode, self.regiondevel)
    }

    /// What runs the hook before a container with devices of this mode starts.
    #[must_use]
    pub(crate) fn programming(&self, mode: Mode) -> Programming {
        match mode {
            Mode::Region => self.programming,
            Mode::Af | Mode::RegionDevel if self.claim_slots => self.programming,
            Mode::Af | Mode::RegionDevel => Programming::None,
        }
    }

    /// The directory on the host whose files containers get as their nodes, instead of devices.
    #[must_use]
    pub(crate) fn bound_nodes(&self) -> Option<&str> {
        self.bound_nodes.as_deref()
    }

    /// This is offered now. To be awaited before the kubelet learns of it. What an earlier run left goes only when it
    /// `is_sure` that nobody else holds it: a container that is started again is resolved by its spec.
    pub(crate) async fn offer(&self, mode: Mode, offer: &Offer, is_sure: bool) {
        let all = offer.iter().flat_map(|(name, devices)| devices.iter().map(move |d| (name, d)));
        // A device may have the id that another mode gives it, too: its holder's spec stays.
        let (over, offered): (Vec<_>, Vec<_>) = all.partition(|(_, device)| device.is_over);
        let mut wanted = BTreeMap::new();
        let mut uses = Uses::new();
        let mut gives_regions = false;
        for (name, device) in offered.into_iter().chain(over) {
            let mode = mode_of(mode, name, device);
            uses.insert(device.place, mode.into());
            gives_regions |= mode == Mode::Region;
            if self.programming(mode) == Programming::Cdi {
                let spec = cdi::device_spec(device, mode.into(), &self.hook);
                wanted.insert(device.id.clone(), spec);
            }
        }
        self.gives_regions
            .send_if_modified(|now| std::mem::replace(now, gives_regions) != gives_regions);
        let specs = self.specs.clone();
        // There the hook runs for every container, whether it claims ports or not.
        let uses_file =
            (self.programming == Programming::HooksD).then(|| Arc::clone(&self.uses_file));
        let write = move || {
            specs.set(wanted, is_sure);
            if let Some(path) = uses_file
                && let Err(error) = uses::save(&path, &uses)
            {
                tracing::error!("{}: what devices are for is not written: {error}", path.display());
            }
        };
        if let Err(error) = tokio::task::spawn_blocking(write).await {
            tracing::error!("CDI specs: {error}");
        }
    }

    /// Makes sure that a container gets what it needs to have these devices prepared.
    ///
    /// # Errors
    /// [`HandoutError`], and then the container must not start.
    pub(crate) async fn hand_out(
        &self,
        mode: Mode,
        devices: &[&Device],
    ) -> Result<(), HandoutError> {
        let ids: Vec<String> = devices.iter().map(|device| device.id.clone()).collect();
        let specs = (self.programming(mode) == Programming::Cdi).then(|| self.specs.clone());
        // A region is prepared by the hook, which knows whom it is for.
        let programmer = self.programmer.clone().filter(|_| mode == Mode::Af);
        let places: Vec<DeviceId> = devices.iter().map(|device| device.place).collect();
        let work = move || {
            if let Some(specs) = specs {
                specs.ensure(&ids)?;
            }
            match programmer {
                Some(programmer) => Ok(programmer.clean_all(&places)?),
                None => Ok(()),
            }
        };
        tokio::task::spawn_blocking(work).await?
    }
}

/// The mode in which a device was given, or is.
fn mode_of(mode: Mode, name: &ResourceName, device: &Device) -> Mode {
    match name.named() {
        _ if !device.is_over => mode,
        Named::Region(_) => Mode::Region,
        Named::RegionDevel(_) => Mode::RegionDevel,
        Named::Af(_) | Named::Aocx(_) | Named::EncodedAf(..) | Named::EncodedAocx(..) => Mode::Af,
    }
}
