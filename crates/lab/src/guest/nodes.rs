//! `/dev/char/MAJOR:MINOR`, which udev keeps on a node: programs find a device's node by its numbers there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;
use fpga::root::Root;
use fpga::watch::Watcher;

/// The devices that the kernel has, by their numbers.
const DEVICES: &str = "/sys/dev/char";
const LINKS: &str = "/dev/char";

/// Makes the links, and from now on follows cards that come and go.
pub(super) fn keep_links() -> anyhow::Result<()> {
    let mut watcher = Watcher::new(&Root::at("/")).context("watching for devices")?;
    std::fs::create_dir_all(LINKS).context(LINKS)?;
    update()?;
    std::thread::spawn(move || {
        loop {
            if let Err(error) = watcher.wait(None).map_err(Into::into).and_then(|_| update()) {
                return eprintln!("fpga-lab: {LINKS}: nobody keeps the links any more: {error:#}");
            }
        }
    });
    Ok(())
}

/// Has a link for each device that there is, and no other.
fn update() -> anyhow::Result<()> {
    let (wanted, have) = (wanted()?, have()?);
    for (number, _) in have.iter().filter(|(number, target)| wanted.get(*number) != Some(target)) {
        std::fs::remove_file(Path::new(LINKS).join(number))?;
    }
    for (number, target) in
        wanted.iter().filter(|(number, target)| have.get(*number) != Some(target))
    {
        std::os::unix::fs::symlink(target, Path::new(LINKS).join(number))?;
    }
    Ok(())
}

/// Where each number's link has to lead. A device that goes meanwhile has none.
fn wanted() -> anyhow::Result<BTreeMap<OsString, PathBuf>> {
    let mut all = BTreeMap::new();
    for device in std::fs::read_dir(DEVICES).context(DEVICES)? {
        let device = device?;
        let text = std::fs::read_to_string(device.path().join("uevent")).unwrap_or_default();
        if let Some(name) = text.lines().find_map(|line| line.strip_prefix("DEVNAME=")) {
            all.insert(device.file_name(), Path::new("..").join(name));
        }
    }
    Ok(all)
}

/// Where each link leads now.
fn have() -> anyhow::Result<BTreeMap<OsString, PathBuf>> {
    let mut all = BTreeMap::new();
    for link in std::fs::read_dir(LINKS)? {
        let link = link?;
        all.insert(link.file_name(), std::fs::read_link(link.path())?);
    }
    Ok(all)
}
