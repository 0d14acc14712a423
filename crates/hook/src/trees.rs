//! The flags for the kernel's trees, `sys/` and `dev/`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use fpga::root::Root;

/// Where the kernel's trees are.
#[derive(Debug, ClapArgs)]
pub struct Trees {
    /// Directory that holds sys/ and dev/
    #[arg(long, global = true, value_name = "DIR", default_value = "/", env = "FPGA_ROOT")]
    pub root: PathBuf,
    /// Directory of sysfs, if it is not ROOT/sys
    #[arg(long, global = true, value_name = "DIR")]
    sysfs: Option<PathBuf>,
    /// Directory of the device nodes, if it is not ROOT/dev
    #[arg(long, global = true, value_name = "DIR")]
    devfs: Option<PathBuf>,
}

impl Trees {
    /// The trees that the flags name.
    #[must_use]
    pub fn root(&self) -> Root {
        let both = Root::at(&self.root);
        let sys = self.sysfs.as_deref().unwrap_or(both.sys());
        let dev = self.devfs.as_deref().unwrap_or(both.dev());
        Root::new(sys, dev)
    }
}
