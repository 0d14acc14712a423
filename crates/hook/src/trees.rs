//! The flags that tell where the kernel's trees are.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use fpga::root::Root;

/// Where the kernel's trees are.
#[derive(Debug, ClapArgs)]
pub struct Trees {
    /// Directory that holds sys/ and dev/
    #[arg(long, global = true, value_name = "DIR", default_value = "/", env = "FPGA_ROOT")]
    pub root: PathBuf,
    /// sysfs, if it is not ROOT/sys
    #[arg(long, global = true, value_name = "DIR")]
    sysfs: Option<PathBuf>,
    /// Device nodes, if they are not in ROOT/dev
    #[arg(long, global = true, value_name = "DIR")]
    devfs: Option<PathBuf>,
    /// Ledger of what is in the regions and whose they are, if it is not ROOT/run/kube-fpga/ledger
    #[arg(long, global = true, value_name = "DIR", env = "FPGA_LEDGER")]
    ledger: Option<PathBuf>,
}

impl Trees {
    /// The trees that the flags name.
    #[must_use]
    pub fn root(&self) -> Root {
        let both = Root::at(&self.root);
        let sys = self.sysfs.as_deref().unwrap_or(both.sys());
        let dev = self.devfs.as_deref().unwrap_or(both.dev());
        let ledger = self.ledger.as_deref().unwrap_or(both.ledger().directory());
        Root::new(sys, dev).with_ledger(ledger)
    }
}
