//! Through which driver an image was loaded.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// The kernel makes a random one at each boot (`Documentation/admin-guide/sysctl/kernel.rst`).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Identifies the boot of the machine, the devices of a region and the drivers that are bound to them. After
/// another boot, a re-plugged card or a driver that was bound again it is different, and what was known of the
/// region's image is not known any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Binding(String);

impl Binding {
    /// The binding of the devices whose directories in sysfs are given. sysfs numbers its directories and links
    /// anew whenever they are made (`fs/kernfs/dir.c`): a device has its directory as long as it exists, and in
    /// it a link `driver` as long as that one is bound.
    #[must_use]
    pub fn of(directories: &[&Path]) -> Self {
        let boot = fs::read_to_string(BOOT_ID).unwrap_or_default();
        let mut text = boot.trim().to_owned();
        for directory in directories {
            // The directory itself, behind the bus's link to it, but of the driver the link.
            let link = fs::symlink_metadata(directory.join("driver"));
            for found in [fs::metadata(directory), link] {
                let inode = found.as_ref().map_or(0, |found| found.ino());
                text.push_str(&format!(".{inode:x}"));
                // File systems that hold a fake tree give a number again, but tell when the file was made.
                let made = found
                    .ok()
                    .and_then(|found| found.created().ok()?.duration_since(UNIX_EPOCH).ok());
                if let Some(made) = made {
                    text.push_str(&format!("-{:x}", made.as_nanos()));
                }
            }
        }
        Self(text)
    }

    /// True where both are of one boot of the machine.
    pub(super) fn is_of_this_boot(&self) -> bool {
        self.boot() == Self::of(&[]).boot()
    }

    fn boot(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_driver_that_is_bound_again_makes_another_binding() {
        let dir = tempfile::tempdir().unwrap();
        let device = dir.path().join("dfl-port.0");
        fs::create_dir(&device).unwrap();
        let of = || Binding::of(&[&device]);
        let absent = of();
        let link = device.join("driver");
        symlink("dfl-afu", &link).unwrap();
        let bound = of();
        assert_ne!(absent, bound);
        assert_eq!(bound, of());
        // A second link while the first is there, so that it gets another inode on any file system.
        symlink("dfl-afu", device.join("new")).unwrap();
        fs::rename(device.join("new"), &link).unwrap();
        assert_ne!(bound, of());
        assert!(bound.is_of_this_boot());
    }

    #[test]
    fn another_boot_makes_another_binding() {
        let other = Binding("00000000-0000-0000-0000-000000000000.1.2".to_owned());
        assert!(!other.is_of_this_boot());
    }
}
