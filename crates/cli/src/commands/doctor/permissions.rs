//! Who may change what root's programs believe.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use fpga_findings::Finding;
use fpga_findings::shell::word;

/// Write permission of the group and of all others.
const OTHERS: u32 = 0o022;

/// A directory in which others than root could `act`.
pub(super) fn of_directory(path: &Path, act: &str) -> Option<Finding> {
    let metadata = fs::metadata(path).ok()?;
    // In a sticky directory nobody replaces what is another's, but everybody adds.
    exposed(&metadata).map(|how| {
        Finding::error(path.display(), format_args!("{how}: others than root can {act}"))
            .because("it must be root's, and nobody else may write to it")
            .fix(repair(path))
    })
}

/// A file that root believes or runs, and others could change.
pub(super) fn of_file(path: &Path, metadata: &Metadata, act: &str) -> Option<Finding> {
    exposed(metadata).map(|how| {
        Finding::error(path.display(), format_args!("{how}: others than root can {act}"))
            .because("it must be root's, and nobody else may write to it")
            .fix(repair(path))
    })
}

/// Makes it root's alone.
pub(super) fn repair(path: &Path) -> String {
    format!("chown root:root {0}; chmod go-w {0}", word(path))
}

fn exposed(metadata: &Metadata) -> Option<String> {
    let (mode, owner) = (metadata.permissions().mode() & 0o7777, metadata.uid());
    if mode & OTHERS != 0 {
        return Some(format!("mode {mode:04o}"));
    }
    // On a tree that is no node's own everything is its maker's.
    (owner != 0 && owner != itself()).then(|| format!("owned by user {owner}"))
}

/// The user that runs this program: its own directory in `/proc` is that user's.
fn itself() -> u32 {
    fs::metadata("/proc/self").map_or(0, |metadata| metadata.uid())
}
