//! Where the kernel's `sys/` and `dev/` trees are: the only file that spells those paths. The ledger of what is in
//! the regions goes with the trees that show them.

use std::path::{Path, PathBuf};

use crate::card::DeviceNumber;
use crate::id::PciAddress;
use crate::ledger::{self, Ledger};

/// The two trees of a node. [`Root::host`] is the machine itself; [`Root::at`] is a directory that
/// holds `sys/` and `dev/`, such as the emulator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    sys: PathBuf,
    dev: PathBuf,
    ledger: Ledger,
}

impl Root {
    /// The machine's own `/sys` and `/dev`.
    #[must_use]
    pub fn host() -> Self {
        Self::at("/")
    }

    /// The trees below `dir`: `dir/sys` and `dir/dev`, and the ledger in its place below `dir`.
    #[must_use]
    pub fn at(dir: impl AsRef<Path>) -> Self {
        let dir = dir.as_ref();
        let ledger = dir.join(ledger::DEFAULT_DIRECTORY.trim_start_matches('/'));
        Self::new(dir.join("sys"), dir.join("dev")).with_ledger(ledger)
    }

    /// Trees at unrelated places, as in a container that has the node's `/dev` at `/host/dev`.
    #[must_use]
    pub fn new(sys: impl Into<PathBuf>, dev: impl Into<PathBuf>) -> Self {
        let ledger = Ledger::at(ledger::DEFAULT_DIRECTORY);
        Self { sys: sys.into(), dev: dev.into(), ledger }
    }

    /// The same trees with the ledger in `directory`.
    #[must_use]
    pub fn with_ledger(self, directory: impl Into<PathBuf>) -> Self {
        Self { ledger: Ledger::at(directory), ..self }
    }

    /// The same with what is given in other places. A ledger without a name, as of a variable that is set to nothing,
    /// is not given.
    #[must_use]
    pub fn with_parts(self, sys: Option<&Path>, dev: Option<&Path>, ledger: Option<&Path>) -> Self {
        Self {
            sys: sys.map_or(self.sys, Path::to_owned),
            dev: dev.map_or(self.dev, Path::to_owned),
            ledger: ledger
                .filter(|path| !path.as_os_str().is_empty())
                .map_or(self.ledger, Ledger::at),
        }
    }

    /// What is known of the regions on these trees.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The sysfs tree.
    #[must_use]
    pub fn sys(&self) -> &Path {
        &self.sys
    }

    /// The device nodes.
    #[must_use]
    pub fn dev(&self) -> &Path {
        &self.dev
    }

    /// True when the sysfs tree is the kernel's own, whose changes come as uevents and not as
    /// file-system events.
    #[must_use]
    pub fn is_kernel(&self) -> bool {
        self.sys == Path::new("/sys")
    }

    /// Directory of the devices of the class `name`.
    #[must_use]
    pub fn class(&self, name: &str) -> PathBuf {
        self.sys.join("class").join(name)
    }

    /// Directory of the character device of this number (`Documentation/ABI/testing/sysfs-dev`).
    #[must_use]
    pub fn char_device(&self, number: DeviceNumber) -> PathBuf {
        self.sys.join("dev/char").join(number.to_string())
    }

    /// Directory of the platform device `name`, which most drivers' devices are.
    #[must_use]
    pub fn platform_device(&self, name: &str) -> PathBuf {
        self.sys.join("bus/platform/devices").join(name)
    }

    /// Directory of the platform driver `name`, which is there while its module is loaded.
    #[must_use]
    pub fn platform_driver(&self, name: &str) -> PathBuf {
        self.sys.join("bus/platform/drivers").join(name)
    }

    /// Directory of the links to all PCI functions.
    #[must_use]
    pub fn pci_devices(&self) -> PathBuf {
        self.sys.join("bus/pci/devices")
    }

    /// Directory of a PCI function (`Documentation/ABI/testing/sysfs-bus-pci`).
    #[must_use]
    pub fn pci_device(&self, address: PciAddress) -> PathBuf {
        self.pci_devices().join(address.to_string())
    }

    /// Directory of the PCI driver `name`, with its `bind` and `unbind`.
    #[must_use]
    pub fn pci_driver(&self, name: &str) -> PathBuf {
        self.sys.join("bus/pci/drivers").join(name)
    }

    /// How many huge pages of `kib` KiB the kernel keeps ready
    /// (`Documentation/ABI/testing/sysfs-kernel-mm-hugepages`).
    #[must_use]
    pub fn huge_pages(&self, kib: u64) -> PathBuf {
        self.sys.join(format!("kernel/mm/hugepages/hugepages-{kib}kB/nr_hugepages"))
    }

    /// What makes the kernel look for PCI functions again when 1 is written to it.
    #[must_use]
    pub fn pci_rescan(&self) -> PathBuf {
        self.sys.join("bus/pci/rescan")
    }

    /// Where the node `name` is on this root. For the path that a container or the kubelet is told,
    /// see [`host_node`].
    #[must_use]
    pub fn node(&self, name: &str) -> PathBuf {
        self.dev.join(name)
    }
}

/// The path of the device node `name` as the host and its containers know it, whatever the root:
/// `/dev/NAME`.
#[must_use]
pub fn host_node(name: &str) -> String {
    format!("/dev/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_kernels_own_tree() {
        let host = Root::host();
        assert_eq!((host.sys(), host.dev()), (Path::new("/sys"), Path::new("/dev")));
        assert_eq!(host.ledger(), Root::new("/sys", "/host/dev").ledger());
        assert!(host.is_kernel());
        assert_eq!(host.class("fpga"), Path::new("/sys/class/fpga"));
    }

    #[test]
    fn a_directory_holds_both_trees() {
        let root = Root::at("/t");
        assert_eq!((root.sys(), root.dev()), (Path::new("/t/sys"), Path::new("/t/dev")));
        assert!(!root.is_kernel());
        assert_eq!(root.ledger().directory(), Path::new("/t/run/kube-fpga/ledger"));
        assert_eq!(root, Root::new("/t/sys", "/t/dev").with_ledger("/t/run/kube-fpga/ledger"));
    }

    #[test]
    fn each_part_can_be_elsewhere() {
        let (root, elsewhere) = (|| Root::at("/t"), Some(Path::new("/x")));
        assert_eq!(root().with_parts(None, None, None), root());
        assert_eq!(root().with_parts(None, None, Some(Path::new(""))), root());
        let ledger = "/t/run/kube-fpga/ledger";
        let expected = Root::new("/x", "/t/dev").with_ledger(ledger);
        assert_eq!(root().with_parts(elsewhere, None, None), expected);
        let expected = Root::new("/t/sys", "/x").with_ledger(ledger);
        assert_eq!(root().with_parts(None, elsewhere, None), expected);
        assert_eq!(root().with_parts(None, None, elsewhere), root().with_ledger("/x"));
    }

    #[test]
    fn a_container_is_told_the_hosts_path_whatever_the_root() {
        let root = Root::new("/sys", "/host/dev");
        assert!(root.is_kernel());
        assert_eq!(root.node("dfl-port.0"), Path::new("/host/dev/dfl-port.0"));
        assert_eq!(host_node("dfl-port.0"), "/dev/dfl-port.0");
    }
}
