//! Answers the system calls of one supervised command.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use super::client::Client;
use super::{Shared, opens};
use crate::host::ioctl;
use crate::sys::seccomp::{Listener, Notification};
use crate::tree::Found;

/// Serves until no process of the command is left.
pub(super) fn serve(shared: &Arc<Shared>, fd: OwnedFd) {
    let listener = Arc::new(Listener::new(fd));
    while let Ok(Some(call)) = listener.receive(&shared.stop) {
        // What the program wrote to attributes before this call comes first.
        shared.shown.take_writes(&shared.kernel);
        if call.call() == libc::SYS_ioctl {
            answer_ioctl(shared, &listener, call);
        } else {
            opens::answer(shared, &listener, call);
        }
    }
}

fn answer_ioctl(shared: &Arc<Shared>, listener: &Arc<Listener>, call: Notification) {
    let command = (call.args[1] & 0xffff_ffff) as u32;
    let node = match find_node(shared, &call) {
        // Not ours: the kernel answers, for a plain file with ENOTTY.
        None => return listener.pass(call.id),
        Some(Found::Gone(node)) => {
            let result = shared.kernel.ioctl_without_driver(node, command);
            return listener.answer(call.id, result);
        }
        Some(Found::Live(node)) => node,
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

/// By inode, so that a bind mount, a hard link or an inherited descriptor is the same device. On a descriptor that is
/// only a path the kernel refuses by itself.
fn find_node(shared: &Shared, call: &Notification) -> Option<Found> {
    let link = format!("/proc/{}/fd/{}", call.pid, descriptor(call.args[0]));
    let file = fs::metadata(&link).ok()?;
    let found = shared.shown.tree(|t| t.node((file.dev(), file.ino())))??;
    opens::is_open_file(Path::new(&link)).then_some(found)
}

/// An argument of type int: the lower 32 bits, signed.
pub(super) fn descriptor(argument: u64) -> i32 {
    ((argument & 0xffff_ffff) as u32).cast_signed()
}
