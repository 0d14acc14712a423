//! What several areas need to know: the cards, the traces of the agent's mode, and where things are.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use fpga::card::Inventory;
use fpga::names::{Mode, NAMESPACE, Named, ResourceName};
use fpga::root::Root;
use fpga::scan::scan;
use fpga::{grants, store};
use fpga_hook::Trees;

use super::host::{Host, children};
use super::places::Places;
use super::spec::{self, Hook, SpecFile};

/// The node as far as it was looked at; each part is read by the first area that needs it.
pub(super) struct Survey {
    pub(super) places: Places,
    pub(super) root: Root,
    pub(super) host: Host,
    /// How long one peer is waited for.
    pub(super) patience: Duration,
    mode: Option<Mode>,
    inventory: OnceLock<Inventory>,
    sockets: OnceLock<Vec<String>>,
    specs: OnceLock<Vec<SpecFile>>,
    hooks: OnceLock<Vec<spec::HookFile>>,
}

/// Directory of the kubelet's device plugins.
const SOCKET_DIR: &str = "/var/lib/kubelet/device-plugins";
const CDI_DIR: &str = "/var/run/cdi";
const HOOKS_DIR: &str = "/etc/containers/oci/hooks.d";

impl Survey {
    pub(super) fn new(places: Places, trees: &Trees, mode: Option<Mode>, limit: Duration) -> Self {
        Self {
            places,
            root: trees.root(),
            host: Host::new(trees.root.clone()),
            patience: limit / 4,
            mode,
            inventory: OnceLock::new(),
            sockets: OnceLock::new(),
            specs: OnceLock::new(),
            hooks: OnceLock::new(),
        }
    }

    pub(super) fn inventory(&self) -> &Inventory {
        self.inventory.get_or_init(|| scan(&self.root))
    }

    pub(super) fn socket_dir(&self) -> PathBuf {
        self.place(self.places.socket_dir.as_ref(), SOCKET_DIR)
    }

    pub(super) fn cdi_dir(&self) -> PathBuf {
        self.place(self.places.cdi_dir.as_ref(), CDI_DIR)
    }

    pub(super) fn hooks_dir(&self) -> PathBuf {
        self.place(self.places.hooks_dir.as_ref(), HOOKS_DIR)
    }

    pub(super) fn proc(&self) -> PathBuf {
        self.place(self.places.proc.as_ref(), "/proc")
    }

    pub(super) fn store(&self) -> PathBuf {
        let named = self.hooks().find_map(|hook| hook.value("--store"));
        self.place(self.places.store.as_ref(), named.unwrap_or(store::DEFAULT_ROOT))
    }

    pub(super) fn grants(&self) -> PathBuf {
        let named = self.hooks().find_map(|hook| hook.value("--grants"));
        self.place(self.places.grants.as_ref(), named.unwrap_or(grants::DEFAULT_PATH))
    }

    /// True when the hook is told to let every namespace have everything.
    pub(super) fn is_all_allowed(&self) -> bool {
        self.hooks().any(|hook| hook.has("--allow-any"))
    }

    /// The given path, or the default one below the root.
    pub(super) fn place(&self, given: Option<&PathBuf>, default: &str) -> PathBuf {
        given.cloned().unwrap_or_else(|| self.host.find(default))
    }

    /// The files of the agent's sockets in the kubelet's directory.
    pub(super) fn sockets(&self) -> &[String] {
        self.sockets.get_or_init(|| {
            let names = children(&self.socket_dir()).unwrap_or_default();
            names.into_iter().filter(|name| resource(name).is_some()).collect()
        })
    }

    /// The files that define CDI devices of ours.
    pub(super) fn specs(&self) -> &[SpecFile] {
        self.specs.get_or_init(|| spec::files(&[self.cdi_dir(), self.host.find("/etc/cdi")]))
    }

    /// The files by which CRI-O without CDI finds the hook.
    pub(super) fn hook_files(&self) -> &[spec::HookFile] {
        self.hooks.get_or_init(|| spec::hook_files(&self.hooks_dir()))
    }

    /// Every hook that a runtime is told to run.
    pub(super) fn hooks(&self) -> impl Iterator<Item = &Hook> {
        let specs = self.specs().iter().filter_map(|file| file.spec.as_ref().ok());
        let files = self.hook_files().iter().filter_map(|file| file.hook.as_ref().ok());
        specs.flat_map(spec::Spec::hooks).chain(files)
    }

    /// The mode that the node is in, as far as it was said or can be told.
    pub(super) fn mode(&self) -> Option<Mode> {
        if self.mode.is_some() {
            return self.mode;
        }
        if self.offers_regions() || self.sockets().is_empty() {
            let is_prepared = !self.specs().is_empty() || !self.hook_files().is_empty();
            return is_prepared.then_some(Mode::Region);
        }
        Some(Mode::Af)
    }

    /// True when there is a socket for regions, which are offered in region mode and in regiondevel mode.
    pub(super) fn offers_regions(&self) -> bool {
        let mut resources = self.sockets().iter().filter_map(|name| resource(name));
        resources.any(|name| matches!(name.named(), Named::Region(_)))
    }

    pub(super) fn is_region(&self) -> bool {
        self.mode() == Some(Mode::Region)
    }
}

/// The resource that a plugin's socket stands for, if it is one of ours.
pub(super) fn resource(socket: &str) -> Option<ResourceName> {
    let name = socket.strip_prefix(NAMESPACE)?.strip_prefix('-')?.strip_suffix(".sock")?;
    format!("{NAMESPACE}/{name}").parse().ok()
}
