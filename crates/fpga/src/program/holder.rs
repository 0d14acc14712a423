//! Who has a lock or a device: found in `/proc`, for messages and for files that the kernel does not
//! guard.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::stat::{major, minor};

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its id, as this process sees it.
    pub pid: u32,
    /// Its command name, at most 15 bytes (`/proc/PID/comm`).
    pub command: String,
}

impl Holder {
    fn new(pid: u32) -> Self {
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        // A process chooses its name.
        let command = comm.trim().chars().filter(|c| !c.is_control()).collect();
        Self { pid, command }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.command.as_str() {
            "" => write!(f, "process {}", self.pid),
            command => write!(f, "process {} ({command})", self.pid),
        }
    }
}

/// The processes in one line.
pub(super) fn or_unknown(holders: &[Holder]) -> String {
    if holders.is_empty() {
        return "a process that is not visible from here".to_owned();
    }
    let names: Vec<String> = holders.iter().map(Holder::to_string).collect();
    names.join(", ")
}

/// Who has the lock of flock(2) on the file. `None` when nobody has, or nobody in this PID namespace.
pub(super) fn of_lock(file: &File) -> Option<Holder> {
    let metadata = file.metadata().ok()?;
    let device = metadata.dev();
    let identity = format!("{:02x}:{:02x}:{}", major(device), minor(device), metadata.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| lock_holder(line, &identity)).map(Holder::new)
}

/// A line of `/proc/locks` (`lock_get_status` in `fs/locks.c`):
/// `4: FLOCK  ADVISORY  WRITE 1234 fe:00:5849266 0 EOF`, with `->` after the number for a waiter.
fn lock_holder(line: &str, identity: &str) -> Option<u32> {
    let mut words = line.split_ascii_whitespace();
    let mut next = || words.next();
    let (_number, kind, _advisory, _access) = (next()?, next()?, next()?, next()?);
    let (pid, file) = (next()?, next()?);
    (kind == "FLOCK" && file == identity).then(|| pid.parse().ok())?
}

/// Who has the node at `path` open, in the order of process ids; processes that this one may not
/// look into are not among them.
///
/// Another node of the same device counts too, as a container has it. A device that is only mapped,
/// its descriptor closed, is not found.
///
/// # Errors
/// The node cannot be examined.
pub fn users(path: &Path) -> io::Result<Vec<Holder>> {
    let node = fs::metadata(path)?;
    let mut holders: Vec<_> = fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| has_open(*pid, path.file_name(), &node))
        .map(Holder::new)
        .collect();
    holders.sort_by_key(|holder| holder.pid);
    Ok(holders)
}

fn has_open(pid: u32, name: Option<&OsStr>, node: &Metadata) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors.flatten().any(|entry| {
        let link = entry.path();
        // Only what may be a device node is looked at: a file on a network that is down would block.
        let may_be = fs::read_link(&link)
            .is_ok_and(|target| target.file_name() == name || target.starts_with("/dev"));
        may_be && fs::metadata(&link).is_ok_and(|open| is_same_device(&open, node))
    })
}

fn is_same_device(open: &Metadata, node: &Metadata) -> bool {
    if node.file_type().is_char_device() {
        return open.file_type().is_char_device() && open.rdev() == node.rdev();
    }
    (open.dev(), open.ino()) == (node.dev(), node.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_its_holders_and_not_a_waiters() {
        let line = |text| lock_holder(text, "fe:00:12");
        assert_eq!(line("4: FLOCK  ADVISORY  WRITE 4507 fe:00:12 0 EOF"), Some(4507));
        for other in [
            "4: -> FLOCK  ADVISORY  WRITE 4507 fe:00:12 0 EOF",
            "4: POSIX  ADVISORY  WRITE 4507 fe:00:12 0 EOF",
            "4: FLOCK  ADVISORY  WRITE 4507 fe:00:120 0 EOF",
            "4: FLOCK  ADVISORY  WRITE -1 fe:00:12 0 EOF",
            "",
        ] {
            assert_eq!(line(other), None, "{other}");
        }
    }

    #[test]
    fn who_has_a_lock_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("dfl-fme.0")).unwrap();
        assert_eq!(of_lock(&file), None);
        file.lock().unwrap();
        assert_eq!(of_lock(&file).map(|holder| holder.pid), Some(std::process::id()));
    }

    #[test]
    fn who_has_a_file_open_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dfl-port.0");
        let file = File::create(&path).unwrap();
        let holders = users(&path).unwrap();
        assert_eq!(holders.iter().map(|h| h.pid).collect::<Vec<_>>(), [std::process::id()]);
        assert!(!holders[0].command.is_empty());
        drop(file);
        assert_eq!(users(&path).unwrap(), []);
        // Another file of the same name is another device.
        let other = tempfile::tempdir().unwrap();
        let _file = File::create(other.path().join("dfl-port.0")).unwrap();
        assert_eq!(users(&path).unwrap(), []);
    }

    /// A container's node is another inode of the same device.
    #[test]
    fn devices_are_told_by_number() {
        let (null, zero) = (fs::metadata("/dev/null").unwrap(), fs::metadata("/dev/zero").unwrap());
        assert!(is_same_device(&null, &null));
        assert!(!is_same_device(&zero, &null));
    }

    #[test]
    fn holders_are_named() {
        let holder = |pid, command: &str| Holder { pid, command: command.to_owned() };
        assert_eq!(or_unknown(&[]), "a process that is not visible from here");
        assert_eq!(or_unknown(&[holder(7, "nlb"), holder(8, "")]), "process 7 (nlb), process 8");
    }
}
