//! What several areas need to know: the cards, the traces of the agent's mode, and where things are.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use fpga::card::Inventory;
use fpga::names::{Mode, NAMESPACE, Named, ResourceName};
use fpga::root::Root;
use fpga::scan::scan;
use fpga::{grants, stack, store};
use fpga_hook::Trees;

use super::host::{Host, children};
use super::places::Places;
use super::spec::{self, Hook, SpecFile};

/// The node as far as it was looked at; each part is read by the first area that needs it.
pub(super) struct Survey {
    pub(super) places: Places,
    /// The trees with the cards.
    pub(super) root: Root,
    /// The kernel's own.
    pub(super) kernel: Root,
    /// Where the emulator has its trees, if the cards are its.
    pub(super) emulated: Option<PathBuf>,
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
/// Where kubelets have their files, on distributions that have them elsewhere, too.
const KUBELETS: [&str; 4] = [
    "/var/lib/kubelet",
    "/var/lib/k0s/kubelet",
    "/var/snap/microk8s/common/var/lib/kubelet",
    "/var/lib/rancher",
];
/// Where the chart's emulator has the trees of a node whose cards it emulates (`emulator.hostDir`).
const EMULATED: &str = "/run/kube-fpga-emulator/node";
const CDI_DIR: &str = "/var/run/cdi";
const HOOKS_DIR: &str = "/etc/containers/oci/hooks.d";

impl Survey {
    pub(super) fn new(places: Places, trees: &Trees, mode: Option<Mode>, limit: Duration) -> Self {
        let (kernel, host) = (trees.root(), Host::new(trees.root.clone()));
        let emulated = Some(host.find(EMULATED)).filter(|dir| {
            kernel == Root::at(&trees.root) && !has_driver(&kernel) && has_driver(&Root::at(dir))
        });
        Self {
            places,
            root: emulated.as_ref().map_or_else(|| kernel.clone(), Root::at),
            kernel,
            emulated,
            host,
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

    /// The kubelet's directories that are there.
    pub(super) fn kubelets(&self) -> Vec<&'static str> {
        KUBELETS.into_iter().filter(|path| self.host.find(path).exists()).collect()
    }

    /// True when there is something of a cluster on this machine, or the caller says so. A machine of no cluster
    /// lacks neither kubelet nor agent.
    pub(super) fn is_node(&self) -> bool {
        self.mode.is_some()
            || self.places.socket_dir.is_some()
            || !self.kubelets().is_empty()
            || self.has_agent()
    }

    /// True when an agent left its traces: a socket, a spec, a hook.
    pub(super) fn has_agent(&self) -> bool {
        !self.sockets().is_empty() || !self.specs().is_empty() || !self.hook_files().is_empty()
    }

    pub(super) fn cdi_dir(&self) -> PathBuf {
        self.place(self.places.cdi_dir.as_ref(), CDI_DIR)
    }

    pub(super) fn hooks_dir(&self) -> PathBuf {
        self.place(self.places.hooks_dir.as_ref(), HOOKS_DIR)
    }

    /// The directory of specs as the host's programs know it.
    pub(super) fn cdi_dir_of_host(&self) -> PathBuf {
        self.places.cdi_dir.clone().unwrap_or_else(|| CDI_DIR.into())
    }

    /// The directory of hooks as the host's programs know it.
    pub(super) fn hooks_dir_of_host(&self) -> PathBuf {
        self.places.hooks_dir.clone().unwrap_or_else(|| HOOKS_DIR.into())
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
        if self.offers(|named| matches!(named, Named::RegionDevel(_))) {
            return Some(Mode::RegionDevel);
        }
        if self.offers_regions() || self.sockets().is_empty() {
            let is_prepared = !self.specs().is_empty() || !self.hook_files().is_empty();
            return is_prepared.then_some(Mode::Region);
        }
        Some(Mode::Af)
    }

    /// True when there is a socket for regions, which are offered in region mode, and in regiondevel mode where the two
    /// share the name.
    pub(super) fn offers_regions(&self) -> bool {
        self.offers(|named| matches!(named, Named::Region(_)))
    }

    fn offers(&self, is_wanted: impl Fn(Named) -> bool) -> bool {
        let mut resources = self.sockets().iter().filter_map(|name| resource(name));
        resources.any(|name| is_wanted(name.named()))
    }

    pub(super) fn is_region(&self) -> bool {
        self.mode() == Some(Mode::Region)
    }
}

fn has_driver(root: &Root) -> bool {
    stack::classes(root).iter().any(|class| class.is_dir())
}

/// The resource that a plugin's socket stands for, if it is one of ours.
pub(super) fn resource(socket: &str) -> Option<ResourceName> {
    let name = socket.strip_prefix(NAMESPACE)?.strip_prefix('-')?.strip_suffix(".sock")?;
    format!("{NAMESPACE}/{name}").parse().ok()
}
