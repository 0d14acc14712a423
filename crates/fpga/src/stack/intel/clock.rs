//! The user clock of a port. Two generators can be set through attributes of the drivers:
//!
//! - the fractional PLL of Arria 10 cards, by the port's own registers `userclk_freqcmd`, `userclk_freqcntrcmd`,
//!   `userclk_freqsts` and `userclk_freqcntrsts` ([`fpll`]). The in-tree driver shows them for ports of revision 0
//!   only (`port_hdr_attrs_visible` in `dfl-afu-main.c`);
//! - the IO PLL, by `userclk/frequency` of a device below the port ([`iopll`]): `intel-pac-iopll.N.auto` of the
//!   out-of-tree driver, `dfl_dev.N` of the `dfl-intel-s10-iopll` in Intel's tree of the in-tree one.
//!
//! Linux itself has no driver for the second: it leaves the registers to programs, by uio, which is not supported.
//!
//! Facts: `drivers/fpga/dfl-afu-main.c` and `Documentation/ABI/testing/sysfs-platform-dfl-port` of Linux 6.1,
//! `dfl-intel-s10-iopll.c` of OFS/linux-dfl, `libraries/plugins/xfpga/usrclk` of OFS/opae-sdk.

mod fpll;
mod iopll;

use std::fs;
use std::path::PathBuf;

use crate::stack::{Cause, Clock, Device, Error};
use crate::sysfs;

/// Feature of a port with the registers of its IO PLL (`PORT_FEATURE_ID_IOPLL_USRCLK` in `drivers/uio/uio_dfl.c`).
const FEATURE: u64 = 0x14;

/// The generator of the port's clock.
///
/// # Errors
/// There is none that the driver lets anybody set, and why.
pub(super) fn of(port: &Device) -> Result<Box<dyn Clock>, Error> {
    let below = below(port);
    if let Some(device) = below.iter().find(|device| device.join(iopll::FREQUENCY).exists()) {
        return Ok(Box::new(iopll::Iopll::new(device)?));
    }
    if let Some(fpll) = fpll::Fpll::of(port) {
        return Ok(Box::new(fpll));
    }
    let is_feature = |device: &PathBuf| {
        let id = sysfs::read(&device.join("feature_id"));
        // Printed as `0x14`, with or without the prefix by the driver's age.
        matches!(id, Ok(Some(id)) if u64::from_str_radix(id.trim_start_matches("0x"), 16) == Ok(FEATURE))
    };
    let reason = match below.iter().find(|device| is_feature(device)) {
        Some(device) => format!(
            "the kernel leaves its registers to programs (uio), which is not supported ({})",
            device.display()
        ),
        None => format!("the driver shows nothing to set it with ({})", port.dir.display()),
    };
    Err(Error::new(Cause::Gone, reason))
}

/// The devices of features of the port.
fn below(port: &Device) -> Vec<PathBuf> {
    const PREFIXES: [&str; 2] = ["dfl_dev.", "intel-pac-iopll."];
    let Ok(entries) = fs::read_dir(&port.dir) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> =
        names.filter(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix))).collect();
    names.sort_unstable();
    names.into_iter().map(|name| port.dir.join(name)).collect()
}
