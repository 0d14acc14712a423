//! open(2) as the drivers have it: attributes that refuse to be read, and nodes that somebody wants alone.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::Shared;
use super::client::Client;
use super::listen::descriptor;
use crate::host::Node;
use crate::sys::seccomp::{Listener, Notification};
use crate::tree::Found;

/// How long an open that was let through may take until it shows in `/proc`.
const IN_FLIGHT: Duration = Duration::from_millis(20);

pub(super) type Inode = (u64, u64);

/// Nodes that were opened with `O_EXCL`, by whom and when.
#[derive(Default)]
pub(super) struct Exclusive(Mutex<HashMap<Node, (u32, Instant)>>);

/// Answers an open: with the error that the driver would give, else the kernel goes on with it.
pub(super) fn answer(shared: &Shared, listener: &Arc<Listener>, call: Notification) {
    match refuse(shared, listener, &call) {
        Some(e) => listener.answer(call.id, Err(e)),
        None => listener.pass(call.id),
    }
}

fn refuse(shared: &Shared, listener: &Arc<Listener>, call: &Notification) -> Option<Errno> {
    let (directory, path, flags) = if call.call() == libc::SYS_openat {
        (descriptor(call.args[0]), call.args[1], descriptor(call.args[2]))
    } else {
        (libc::AT_FDCWD, call.args[0], descriptor(call.args[1]))
    };
    let reading = flags & libc::O_ACCMODE == libc::O_RDONLY;
    let alone = flags & libc::O_EXCL != 0;
    let nothing_to_refuse =
        || shared.shown.tree(|t| t.has_denied()) != Some(true) && shared.exclusive.is_empty();
    if flags & libc::O_PATH != 0 || reading && !alone && nothing_to_refuse() {
        return None;
    }
    let client = Client::new(listener, *call);
    let file = fs::metadata(resolve(call.pid, directory, &client.path(path)?)).ok()?;
    let inode = (file.dev(), file.ino());
    if reading && let Some(error) = shared.shown.tree(|t| t.denied(inode))? {
        return Some(error);
    }
    let process = client.process()?;
    if !reading {
        shared.writers.wait(shared, inode, process);
    }
    let Found::Live(node) = shared.shown.tree(|t| t.node(inode))?? else { return None };
    shared.exclusive.open(node, inode, alone, process)
}

/// The file as we reach it: below the process's root or one of its directories.
fn resolve(pid: u32, directory: i32, path: &Path) -> PathBuf {
    match path.strip_prefix("/") {
        Ok(inside) => PathBuf::from(format!("/proc/{pid}/root")).join(inside),
        Err(_) if directory == libc::AT_FDCWD => {
            PathBuf::from(format!("/proc/{pid}/cwd")).join(path)
        }
        Err(_) => PathBuf::from(format!("/proc/{pid}/fd/{directory}")).join(path),
    }
}

impl Exclusive {
    /// Nobody has a node alone, as far as was noticed.
    fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// As `dfl_feature_dev_use_begin`: nobody may open what somebody has alone, and alone is only possible when nobody
    /// has it.
    fn open(&self, node: Node, inode: Inode, alone: bool, process: u32) -> Option<Errno> {
        let mut holders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holder = holders.get(&node).copied();
        if holder.is_none() && !alone {
            return None;
        }
        let in_flight = holder
            .is_some_and(|(by, at)| by != process && at.elapsed() < IN_FLIGHT && is_alive(by));
        if in_flight || any_process_has(&[inode]) {
            return Some(Errno::EBUSY);
        }
        if alone {
            holders.insert(node, (process, Instant::now()));
        } else {
            holders.remove(&node);
        }
        None
    }
}

pub(super) fn is_alive(process: u32) -> bool {
    Path::new(&format!("/proc/{process}/exe")).symlink_metadata().is_ok()
}

/// True when a process other than this one has one of the files open or mapped, as far as we may look.
pub(super) fn any_process_has(inodes: &[Inode]) -> bool {
    let own = std::process::id().to_string();
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    let others =
        processes.flatten().filter(|p| is_number(&p.file_name()) && p.file_name() != own.as_str());
    others.map(|p| p.path()).any(|p| has_open(&p, inodes) || has_mapped(&p, inodes))
}

/// Processes that ended meanwhile or that belong to others cannot be looked at.
fn has_open(process: &Path, inodes: &[Inode]) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
    files.flatten().map(|f| f.path()).any(|f| {
        fs::metadata(&f).is_ok_and(|m| inodes.contains(&(m.dev(), m.ino()))) && is_open_file(&f)
    })
}

/// True for a link in `/proc/PID/fd` to a file that is open for reading or writing, and not only as a path.
pub(super) fn is_open_file(link: &Path) -> bool {
    fs::symlink_metadata(link).is_ok_and(|m| m.mode() & 0o600 != 0)
}

fn has_mapped(process: &Path, inodes: &[Inode]) -> bool {
    let Ok(maps) = fs::read_to_string(process.join("maps")) else { return false };
    maps.lines().any(|line| mapped_inode(line).is_some_and(|inode| inodes.contains(&inode)))
}

/// Of a line such as `7f00-7f10 rw-s 00000000 fd:01 1234 /path`.
fn mapped_inode(line: &str) -> Option<Inode> {
    let mut words = line.split_ascii_whitespace().skip(3);
    let (major, minor) = words.next()?.split_once(':')?;
    let number = |s| u32::from_str_radix(s, 16).ok();
    Some((libc::makedev(number(major)?, number(minor)?), words.next()?.parse().ok()?))
}

fn is_number(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inodes_of_mappings() {
        let line = "7fdcf321b000-7fdcf325b000 rw-s 00000000 fe:01 4711   /tmp/R/dev/dfl-port.0";
        assert_eq!(mapped_inode(line), Some((libc::makedev(0xfe, 1), 4711)));
    }
}
