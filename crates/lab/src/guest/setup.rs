//! What the first process of a machine has to do before anything else, and after everything.

use std::path::Path;

use anyhow::Context;
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};

/// Where the guest may write.
pub(super) const DIRECTORY: &str = "/run/lab";

/// Mounts the kernel's file systems and one to write to. `/dev` is mounted by the kernel.
pub(super) fn mounts() -> anyhow::Result<()> {
    for (kind, place) in [("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/run")] {
        mount(Some(kind), place, Some(kind), MsFlags::MS_NOSUID, None::<&str>)
            .with_context(|| format!("cannot mount {place}"))?;
    }
    std::fs::create_dir_all(Path::new(DIRECTORY).join("tmp"))?;
    std::env::set_current_dir(DIRECTORY)?;
    Ok(())
}

/// Variables for the guest's programs, which find ours as if they were installed.
pub(super) fn environment() -> [(&'static str, String); 4] {
    let own = std::env::current_exe().unwrap_or_default();
    let own = own.parent().unwrap_or(Path::new("/")).display();
    [
        ("PATH", format!("{own}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")),
        ("HOME", DIRECTORY.to_owned()),
        ("TMPDIR", format!("{DIRECTORY}/tmp")),
        ("TERM", "linux".to_owned()),
    ]
}

/// Ends the machine.
pub(super) fn power_off() -> ! {
    // With virtual functions enabled the kernel's own shutdown of virtual PCI panics.
    for function in std::fs::read_dir("/sys/bus/pci/devices").into_iter().flatten().flatten() {
        let _ = std::fs::write(function.path().join("sriov_numvfs"), "0");
    }
    match reboot(RebootMode::RB_POWER_OFF) {
        Ok(never) => match never {},
        // The kernel panics when its first process ends, which ends the machine, too.
        Err(_) => std::process::abort(),
    }
}
