//! Says when a scan may find something else than the last one, and sleeps in between.
//!
//! What tells of a change differs by what changes:
//!
//! - Cards, ports and drivers come and go. On the kernel's own sysfs that is a uevent
//!   (`uevent`); sysfs makes no file events. On a fake tree it is a file event (`files`).
//! - A region is reprogrammed. **The kernel sends no uevent for that**: neither fpga-mgr.c nor
//!   dfl-fme-pr.c reports one, and no device comes or goes. But to reprogram, a process opens the
//!   management node for writing, so its closing of that node is taken for a change. The kernel reports
//!   the close of a device node as of any other file, to who may read the node. A container that was
//!   given its own inode of the node, as in `regiondevel` mode, goes unnoticed.
//!
//! So a slow rescan stays necessary as a net; with it, nothing that this module misses is missed for
//! good. While nothing happens the watcher does not run at all.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::statfs::{SYSFS_MAGIC, statfs};

use crate::root::Root;

mod files;
mod interest;
mod uevent;

use files::Files;
use uevent::Uevents;

/// A burst of changes is over when nothing came for this long.
const QUIET: Duration = Duration::from_millis(5);

/// A burst is reported after this long though it goes on.
const PATIENCE: Duration = Duration::from_millis(20);

/// Watches the trees of a [`Root`]. Make it before the first scan, so that no change falls between.
pub struct Watcher {
    files: Files,
    uevents: Option<Uevents>,
}

impl Watcher {
    /// Starts watching. Directories that do not exist yet are noticed when they appear.
    ///
    /// # Errors
    /// When the kernel gives no inotify instance, watch or netlink socket; the message names the
    /// sysctl to raise.
    pub fn new(root: &Root) -> io::Result<Self> {
        let kernel = is_sysfs(root);
        let uevents = if kernel { Some(Uevents::open()?) } else { None };
        Ok(Self { files: Files::new(root, !kernel)?, uevents })
    }

    /// Blocks until something changed, which is `true`, or for `timeout`, which is `false`. Without a
    /// time-out it waits for ever. Changes in quick succession are one: it returns once 5 ms passed
    /// without another, 20 ms after the first at the latest.
    ///
    /// # Errors
    /// When the kernel gives no further watch. The watcher can be asked again, but may have missed
    /// changes below the directory it could not watch.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if !self.sleep(deadline)? {
                return Ok(false);
            }
            if self.drain()? {
                break;
            }
        }
        let latest = Instant::now() + PATIENCE;
        let mut end = latest.min(Instant::now() + QUIET);
        while self.sleep(Some(end))? {
            if self.drain()? {
                end = latest.min(Instant::now() + QUIET);
            }
        }
        Ok(true)
    }

    /// The management nodes that somebody closed after writing since this was last called, other than programs that
    /// write the [`crate::ledger`]. A node that was not watched before, or not without a gap, is one of them.
    pub fn take_closed(&mut self) -> BTreeSet<OsString> {
        self.files.take_closed()
    }

    /// Waits for an event until `deadline`.
    fn sleep(&self, deadline: Option<Instant>) -> io::Result<bool> {
        let mut fds = vec![PollFd::new(self.files.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            self.uevents.as_ref().map(|uevents| PollFd::new(uevents.as_fd(), PollFlags::POLLIN)),
        );
        loop {
            match poll(&mut fds, remaining(deadline)) {
                Ok(0) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
                Ok(ready) => return Ok(ready > 0),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes what there is; true when any of it matters.
    fn drain(&mut self) -> io::Result<bool> {
        let files = self.files.drain()?;
        let uevents = self.uevents.as_ref().map_or(Ok(false), Uevents::drain)?;
        Ok(files || uevents)
    }
}

/// In whole milliseconds rounded up, so that a short rest is slept and not spun.
fn remaining(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else { return PollTimeout::NONE };
    let rest = deadline.saturating_duration_since(Instant::now());
    PollTimeout::try_from(rest.as_nanos().div_ceil(1_000_000)).unwrap_or(PollTimeout::MAX)
}

/// The kernel's sysfs, at `/sys` or bound elsewhere.
fn is_sysfs(root: &Root) -> bool {
    root.is_kernel() || statfs(root.sys()).is_ok_and(|fs| fs.filesystem_type() == SYSFS_MAGIC)
}

#[cfg(test)]
mod tests;
