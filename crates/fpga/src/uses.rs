//! The file that says what each device of a node is given to containers for.
//!
//! The agent keeps it where no CDI specification says so to the hook. A pod's annotations cannot: a tenant writes them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use crate::files;
use crate::id::DeviceId;
use crate::names::Use;

/// Where the file is unless told otherwise.
pub const DEFAULT_PATH: &str = "/run/kube-fpga/uses.json";

/// Far more than the devices of a node need.
const LIMIT: u64 = 1 << 20;

/// What each device is for.
pub type Uses = BTreeMap<DeviceId, Use>;

/// What the slot is for, or the card that it is on; `None` when neither is among them.
#[must_use]
pub fn of_slot(uses: &Uses, slot: DeviceId) -> Option<Use> {
    uses.get(&slot).or_else(|| uses.get(&slot.whole_card())).copied()
}

/// Reads the file at `path`; without one nothing is known. A device that is no device here is left out.
///
/// # Errors
/// It cannot be read, somebody other than root or the current user could have written it, or it is malformed.
pub fn load(path: &Path) -> io::Result<Uses> {
    let file = match files::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Uses::new()),
        Err(error) => return Err(error),
    };
    check(&file)?;
    let text = files::read_from(file, LIMIT)?;
    let uses: BTreeMap<String, Use> = serde_json::from_slice(&text)?;
    Ok(uses.into_iter().filter_map(|(device, usage)| Some((device.parse().ok()?, usage))).collect())
}

fn check(file: &File) -> io::Result<()> {
    match files::is_writable_by_others(&file.metadata()?) {
        true => Err(io::Error::other("not only root can write it")),
        false => Ok(()),
    }
}

/// Makes the file at `path` say this, readable by all. Its directory is made if it is missing.
///
/// # Errors
/// The directory or the file cannot be written.
pub fn save(path: &Path, uses: &Uses) -> io::Result<()> {
    let uses: BTreeMap<String, Use> =
        uses.iter().map(|(device, usage)| (device.to_string(), *usage)).collect();
    let text = serde_json::to_vec_pretty(&uses)?;
    if files::holds(path, &text) {
        return Ok(());
    }
    files::make_directories(path.parent().unwrap_or(Path::new("/")))?;
    files::replace(path, &text, 0o644)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn uses() -> Uses {
        [("0000-3b-00-0-slot0", Use::Function), ("0000-86-00-0", Use::Development)]
            .map(|(device, usage)| (device.parse().unwrap(), usage))
            .into()
    }

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/uses.json");
        assert_eq!(load(&path).unwrap(), Uses::new());
        for uses in [uses(), Uses::new(), uses()] {
            save(&path, &uses).unwrap();
            assert_eq!(load(&path).unwrap(), uses);
        }
    }

    #[test]
    fn a_file_that_others_could_have_written_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("uses.json");
        save(&path, &uses()).unwrap();
        for mode in [0o664, 0o646, 0o666] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(load(&path).unwrap_err().to_string(), "not only root can write it");
        }
    }

    #[test]
    fn a_malformed_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("uses.json");
        for text in ["", "[]", r#"{"0000-3b-00-0-slot0":"af"}"#, r#"{"a":7}"#] {
            fs::write(&path, text).unwrap();
            load(&path).unwrap_err();
        }
        fs::write(&path, r#"{"elsewhere":"function"}"#).unwrap();
        assert_eq!(load(&path).unwrap(), Uses::new());
    }
}
