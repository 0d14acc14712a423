//! Descriptors that come from other processes.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// Receives up to `buffer.len()` bytes and the descriptor that came with them, if any; of several, the last.
pub(crate) fn receive(
    stream: &UnixStream,
    buffer: &mut [u8],
) -> nix::Result<(usize, Option<OwnedFd>)> {
    receive_all(stream, buffer).map(|(count, mut fds)| (count, fds.pop()))
}

/// Descriptors that come with one message at most.
pub(crate) const MOST: usize = 8;

/// As [`receive`], with up to [`MOST`] descriptors.
pub(crate) fn receive_all(
    stream: &UnixStream,
    buffer: &mut [u8],
) -> nix::Result<(usize, Vec<OwnedFd>)> {
    let mut slices = [IoSliceMut::new(buffer)];
    let mut space = cmsg_space!([RawFd; MOST]);
    let message = recvmsg::<()>(
        stream.as_raw_fd(),
        &mut slices,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    let mut received = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            // SAFETY: the kernel made these descriptors for us with this message; nobody else owns them.
            received.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok((message.bytes, received))
}

/// Sends bytes with a descriptor.
pub(crate) fn send(stream: &UnixStream, bytes: &[u8], fd: RawFd) -> nix::Result<()> {
    let sent = sendmsg::<()>(
        stream.as_raw_fd(),
        &[IoSlice::new(bytes)],
        &[ControlMessage::ScmRights(&[fd])],
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    if sent == bytes.len() { Ok(()) } else { Err(Errno::EIO) }
}

/// A duplicate of descriptor `fd` of process `pid` (pidfd_getfd(2), Linux 5.6).
pub(crate) fn duplicate(pid: u32, fd: i32) -> nix::Result<OwnedFd> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| Errno::ESRCH)?;
    // SAFETY: pidfd_open takes two integers and returns a new descriptor.
    let pidfd = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: pidfd_getfd takes three integers and returns a new descriptor.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0) })
}

/// The result of a system call that makes a descriptor.
pub(super) fn owned(result: libc::c_long) -> nix::Result<OwnedFd> {
    let fd = RawFd::try_from(Errno::result(result)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the system call succeeded, so this is a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
