//! The flags for the kernel's trees, `sys/` and `dev/`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use fpga::root::Root;

/// Where the kernel's trees are.
#[derive(Debug, ClapArgs)]
pub struct Trees {
    /// Directory that holds sys/ and dev/
    #[arg(long, global = true, value_name = "DIR", default_value = "/", env = "FPGA_ROOT")]
    #[arg(value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub root: PathBuf,
    /// Directory of sysfs, if it is not ROOT/sys
    #[arg(long, global = true, value_name = "DIR")]
    sysfs: Option<PathBuf>,
    /// Directory of the device nodes, if it is not ROOT/dev
    #[arg(long, global = true, value_name = "DIR")]
    devfs: Option<PathBuf>,
    /// Ledger of what is in the regions and whose they are, if it is not ROOT/run/kube-fpga/ledger
    #[arg(long, global = true, value_name = "DIR", env = "FPGA_LEDGER")]
    #[arg(value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub ledger: Option<PathBuf>,
}

impl Trees {
    /// The trees that the flags name. An FPGA_ROOT or FPGA_LEDGER that is empty is not set.
    #[must_use]
    pub fn root(&self) -> Root {
        let is_empty = self.root.as_os_str().is_empty();
        let both = if is_empty { Root::host() } else { Root::at(&self.root) };
        both.with_parts(self.sysfs.as_deref(), self.devfs.as_deref(), self.ledger.as_deref())
    }
}
