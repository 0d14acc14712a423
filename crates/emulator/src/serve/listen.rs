//! Answers the system calls of one supervised command.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use nix::errno::Errno;

use super::Shared;
use super::client::Client;
use crate::host::{Node, ioctl};
use crate::sys::seccomp::{Listener, Notification};

/// Serves until no process of the command is left.
pub(super) fn serve(shared: &Arc<Shared>, fd: OwnedFd) {
    let listener = Arc::new(Listener::new(fd));
    while let Ok(Some(call)) = listener.receive(&shared.stop) {
        if call.call() == libc::SYS_ioctl {
            answer_ioctl(shared, &listener, call);
        } else {
            answer_open(shared, &listener, call);
        }
    }
}

fn answer_ioctl(shared: &Arc<Shared>, listener: &Arc<Listener>, call: Notification) {
    let command = (call.args[1] & 0xffff_ffff) as u32;
    let node = match find_node(shared, &call) {
        // Not ours: the kernel answers, for a plain file with ENOTTY.
        None => return listener.pass(call.id),
        Some(None) => return listener.answer(call.id, Err(Errno::ENODEV)),
        Some(Some(node)) => node,
    };
    let (shared, listener) = (Arc::clone(shared), Arc::clone(listener));
    let job = move || {
        let client = Client::new(&listener, call);
        let result = shared.kernel.ioctl(node, command, &client);
        if shared.verbose {
            eprintln!("fpga-emulator: pid {} {node:?} ioctl {command:#x}: {result:?}", call.pid);
        }
        listener.answer(call.id, result);
    };
    if ioctl::is_slow(command) {
        std::thread::spawn(job);
    } else {
        job();
    }
}

/// By inode, so that a bind mount, a hard link or an inherited descriptor is the same device.
fn find_node(shared: &Shared, call: &Notification) -> Option<Option<Node>> {
    let file = fs::metadata(format!("/proc/{}/fd/{}", call.pid, descriptor(call.args[0]))).ok()?;
    shared.shown.tree(|t| t.node((file.dev(), file.ino())))?
}

/// Opening an attribute that cannot be read now fails as reading it in sysfs would; all else is the kernel's.
fn answer_open(shared: &Shared, listener: &Arc<Listener>, call: Notification) {
    let error = if shared.shown.tree(|t| t.has_denied()) == Some(true) {
        denied(shared, listener, &call)
    } else {
        None
    };
    match error {
        Some(e) => listener.answer(call.id, Err(e)),
        None => listener.pass(call.id),
    }
}

fn denied(shared: &Shared, listener: &Arc<Listener>, call: &Notification) -> Option<Errno> {
    let (directory, path) = if call.call() == libc::SYS_openat {
        (descriptor(call.args[0]), call.args[1])
    } else {
        (libc::AT_FDCWD, call.args[0])
    };
    let path = Client::new(listener, *call).path(path)?;
    let pid = call.pid;
    let full = match path.strip_prefix("/") {
        Ok(inside) => PathBuf::from(format!("/proc/{pid}/root")).join(inside),
        Err(_) if directory == libc::AT_FDCWD => {
            PathBuf::from(format!("/proc/{pid}/cwd")).join(path)
        }
        Err(_) => PathBuf::from(format!("/proc/{pid}/fd/{directory}")).join(path),
    };
    let file = fs::metadata(full).ok()?;
    shared.shown.tree(|t| t.denied((file.dev(), file.ino())))?
}

/// A descriptor argument: the lower 32 bits, signed.
fn descriptor(argument: u64) -> i32 {
    ((argument & 0xffff_ffff) as u32).cast_signed()
}
