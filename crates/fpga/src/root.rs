//! Where the kernel's `sys/` and `dev/` trees are: the only file that spells those paths.

use std::path::{Path, PathBuf};

/// The two trees of a node. [`Root::host`] is the machine itself; [`Root::at`] is a directory that
/// holds `sys/` and `dev/`, such as the emulator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    sys: PathBuf,
    dev: PathBuf,
}

impl Root {
    /// The machine's own `/sys` and `/dev`.
    #[must_use]
    pub fn host() -> Self {
        Self::at("/")
    }

    /// The trees below `dir`: `dir/sys` and `dir/dev`.
    #[must_use]
    pub fn at(dir: impl AsRef<Path>) -> Self {
        Self::new(dir.as_ref().join("sys"), dir.as_ref().join("dev"))
    }

    /// Trees at unrelated places, as in a container that has the node's `/dev` at `/host/dev`.
    #[must_use]
    pub fn new(sys: impl Into<PathBuf>, dev: impl Into<PathBuf>) -> Self {
        Self { sys: sys.into(), dev: dev.into() }
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

    /// Class directory of the in-tree DFL driver (`drivers/fpga/fpga-region.c`).
    #[must_use]
    pub fn dfl_class(&self) -> PathBuf {
        self.sys.join("class/fpga_region")
    }

    /// Class directory of Intel's out-of-tree OPAE driver.
    #[must_use]
    pub fn opae_class(&self) -> PathBuf {
        self.sys.join("class/fpga")
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
