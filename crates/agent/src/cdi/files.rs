//! The files of the specs: their names, and writing them so that a runtime sees the old one or the new
//! one, whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fpga::files::{self, TEMPORARY};
use fpga::names::{SPEC_FILE_END as OURS, spec_file_start};
use fpga::stack::is_device_name;

/// Intel's plugin wrote its specs of the same devices so.
const INTELS: &str = ".yaml";

/// True of the name of a file that only this agent writes, or that takes the place of one.
pub(super) fn is_ours(name: &str) -> bool {
    parse(name).is_some()
}

/// The files in `directory` that are not to be there: our specs of devices that are not `wanted`, what an
/// interrupted write left, and Intel's specs of devices that are wanted, because a device that two files
/// define is invalid.
pub(super) fn stale(directory: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let is_stale = |name: &str| match parse(name) {
        Some((device, OURS)) => !wanted(device),
        Some((device, INTELS)) => wanted(device),
        Some(_) => true,
        None => false,
    };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| is_stale(name)).map(|name| directory.join(name)).collect()
}

/// The device of a file, and how its name ends.
fn parse(name: &str) -> Option<(&str, &'static str)> {
    if let Some(name) = name.strip_prefix('.') {
        let (device, _unique) = name.strip_prefix(&spec_file_start())?.split_once(OURS)?;
        return (name.ends_with(TEMPORARY) && is_device_name(device))
            .then_some((device, TEMPORARY));
    }
    let name = name.strip_prefix(&spec_file_start())?;
    let (device, end) =
        [OURS, INTELS].into_iter().find_map(|end| Some((name.strip_suffix(end)?, end)))?;
    is_device_name(device).then_some((device, end))
}

/// Makes `path` hold `text`, and returns false when it does so already.
pub(super) fn put(path: &Path, text: &[u8]) -> io::Result<bool> {
    if files::holds(path, text) {
        return Ok(false);
    }
    files::make_directories(path.parent().unwrap_or(Path::new("/")))?;
    files::replace(path, text, 0o644)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use fpga::names::spec_file;

    use super::*;

    #[test]
    fn only_names_of_devices_become_files() {
        for good in [
            "dfl-fme.0",
            "dfl-fme.12-port1",
            "intel-fpga-fme.3",
            "intel-fpga-fme.3-port0",
            "dfl-port.0",
            "intel-fpga-port.12",
        ] {
            assert!(is_ours(&spec_file(good)), "{good}");
        }
        for bad in [
            "",
            "dfl-port.",
            "dfl-port.0/",
            "dfl-fme.0-port",
            "dfl-fme.0-port1x",
            "../dfl-fme.0",
            "dfl-fme.0/x",
        ] {
            assert!(!is_ours(&spec_file(bad)), "{bad}");
        }
    }

    #[test]
    fn files_are_told_by_their_whole_names() {
        assert_eq!(spec_file("dfl-fme.0"), "intel.cdi.k8s.io-fpga-dfl-fme.0.json");
        for (name, parsed) in [
            ("intel.cdi.k8s.io-fpga-dfl-fme.0.json", Some(("dfl-fme.0", OURS))),
            ("intel.cdi.k8s.io-fpga-dfl-fme.0.yaml", Some(("dfl-fme.0", INTELS))),
            (".intel.cdi.k8s.io-fpga-dfl-fme.0.json.1-2.tmp", Some(("dfl-fme.0", TEMPORARY))),
            (".intel.cdi.k8s.io-fpga-dfl-fme.0.json.swp", None),
            ("intel.cdi.k8s.io-fpga-custom.json", None),
            ("intel.cdi.k8s.io-gpu-dfl-fme.0.json", None),
            ("nvidia.yaml", None),
        ] {
            assert_eq!(parse(name), parsed, "{name}");
        }
    }

    #[test]
    fn what_is_right_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/cdi/a.json");
        assert!(put(&path, b"one").unwrap());
        assert!(!put(&path, b"one").unwrap());
        assert!(put(&path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a.json"), dir.path().join("other"));
        fs::write(&other, "one").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert!(put(&path, b"one").unwrap());
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        assert!(put(&path, b"two").unwrap());
        assert_eq!(fs::read(&other).unwrap(), b"one");
    }
}
