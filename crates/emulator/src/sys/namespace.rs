//! Whether this kernel lets an unprivileged process make its own view of the file system.

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

/// Tries a user and mount namespace in a child process.
///
/// # Errors
/// The error of unshare(2): mostly `EPERM`, where the administrator or a sandbox forbids it, or `ENOSPC`, where
/// the limit is 0.
pub fn permitted() -> Result<(), Errno> {
    // SAFETY: the child makes system calls only, until it ends with _exit.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let error = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
                .err()
                .map_or(0, |e| e as i32);
            // SAFETY: _exit ends the child without running what belongs to the parent.
            unsafe { libc::_exit(error) }
        }
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            WaitStatus::Exited(_, error) => Err(Errno::from_raw(error)),
            _ => Err(Errno::ECHILD),
        },
    }
}
