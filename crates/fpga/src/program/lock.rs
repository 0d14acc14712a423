//! One programmer at a time on a card, across processes.
//!
//! The lock is flock(2) on the management node itself: every process that can program the card has
//! that node, so there is no other file to agree upon, and the kernel drops the lock with its holder,
//! however it dies. The node is opened for reading only, because a node that was open for writing
//! tells watchers when it is closed that the card was reprogrammed ([`crate::watch`]).
//!
//! Who waits sleeps in the kernel, which wakes waiters in the order in which they came
//! (`__locks_insert_block` in `fs/locks.c` queues each behind the one before it). A newcomer may slip
//! in between a release and the wake-up of the next, but one that finds the lock taken goes to the
//! end of the queue, so nobody waits for ever while others come and go.
//!
//! A container that was given the management node has an inode of its own for it, and so another
//! lock: in `regiondevel` mode a tenant programs behind everybody's back.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;

use super::holder::{self, Holder};
use super::outcome::{Progress, Step};
use crate::stack::Management;

/// How often it is looked whether others have closed a node: nothing tells.
const POLL: Duration = Duration::from_millis(20);

/// The exclusive right to program a card, until it is dropped.
#[derive(Debug)]
pub struct CardLock {
    file: File,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The node cannot be opened or locked.
    #[error("{}: cannot lock: {cause}", path.display())]
    Io {
        /// The management node.
        path: PathBuf,
        /// The kernel's answer.
        cause: io::Error,
    },
    /// Somebody else had it all the time.
    #[error("{}: locked by {}: gave up after {:.1} s", path.display(), holder::or_unknown(holder.as_slice()), waited.as_secs_f64())]
    Timeout {
        /// The management node.
        path: PathBuf,
        /// Who has it at the end of the wait; `None` when that is not visible from here.
        holder: Option<Holder>,
        /// How long it was waited for.
        waited: Duration,
    },
}

impl CardLock {
    /// Locks the card behind the management node at `node`, waiting for at most `timeout`.
    ///
    /// `waiting` is called once when the lock is taken, with its holder if that is visible.
    ///
    /// # Errors
    /// [`LockError::Timeout`] names the holder.
    pub fn acquire(
        node: &Path,
        timeout: Duration,
        waiting: &mut dyn FnMut(Option<&Holder>),
    ) -> Result<Self, LockError> {
        let start = Instant::now();
        let fail = |cause| LockError::Io { path: node.to_owned(), cause };
        let mut is_told = false;
        loop {
            let file = open(node).map_err(fail)?;
            let locked = match file.try_lock() {
                Ok(()) => Some(file),
                Err(fs::TryLockError::WouldBlock) => {
                    if !is_told {
                        waiting(holder::of_lock(&file).as_ref());
                        is_told = true;
                    }
                    wait(file, timeout.saturating_sub(start.elapsed())).map_err(fail)?
                }
                Err(fs::TryLockError::Error(cause)) => return Err(fail(cause)),
            };
            let Some(file) = locked else {
                let holder = open(node).ok().and_then(|file| holder::of_lock(&file));
                return Err(LockError::Timeout {
                    path: node.to_owned(),
                    holder,
                    waited: start.elapsed(),
                });
            };
            // The driver may have been bound again meanwhile, which makes a new node.
            if is_same(&file, node).map_err(fail)? {
                return Ok(Self { file });
            }
        }
    }

    /// As [`CardLock::acquire`], and nobody else has the node open, be it to wait for the lock. The
    /// kernel vouches for it: it opens a node exclusively for its only user
    /// (`dfl_feature_dev_use_begin`). A plain file, as in a fake tree, has no such guard.
    ///
    /// # Errors
    /// [`LockError::Timeout`] names one who has the node open.
    pub fn acquire_alone(
        node: &Path,
        timeout: Duration,
        waiting: &mut dyn FnMut(Option<&Holder>),
    ) -> Result<Self, LockError> {
        let start = Instant::now();
        let fail = |cause| LockError::Io { path: node.to_owned(), cause };
        loop {
            // Who waits in the queue gets the lock when it is dropped here, and is waited for again.
            drop(Self::acquire(node, timeout.saturating_sub(start.elapsed()), waiting)?);
            let alone = open_with(node, OFlag::O_EXCL);
            match alone
                .and_then(|file| file.try_lock().map(|()| Self { file }).map_err(io::Error::from))
            {
                Ok(lock) => return Ok(lock),
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::ResourceBusy | io::ErrorKind::WouldBlock
                    ) => {}
                Err(cause) => return Err(fail(cause)),
            }
            if start.elapsed() >= timeout {
                let others = holder::users(node).unwrap_or_default();
                let holder = others.into_iter().find(|other| other.pid != std::process::id());
                return Err(LockError::Timeout {
                    path: node.to_owned(),
                    holder,
                    waited: start.elapsed(),
                });
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Locks `card`, waiting for at most `timeout`.
pub(super) fn lock(
    card: &Management,
    timeout: Duration,
    progress: &mut dyn Progress,
) -> Result<CardLock, LockError> {
    progress.step(Step::Locking);
    acquire(card, timeout, progress)
}

/// As [`lock`], for whoever has said already that the card is being locked.
pub(super) fn acquire(
    card: &Management,
    timeout: Duration,
    progress: &mut dyn Progress,
) -> Result<CardLock, LockError> {
    let waiting = &mut |holder: Option<&_>| progress.step(Step::Waiting(holder));
    CardLock::acquire(&card.device.node, timeout, waiting)
}

impl Drop for CardLock {
    fn drop(&mut self) {
        // Closing would do, but for a child that was forked and has not called exec yet: it shares
        // the descriptor. Nothing is left to do when it fails.
        let _ = self.file.unlock();
    }
}

fn open(node: &Path) -> io::Result<File> {
    open_with(node, OFlag::empty())
}

fn open_with(node: &Path, flags: OFlag) -> io::Result<File> {
    // The standard library adds O_CLOEXEC, so no child inherits the lock. A fifo would block.
    OpenOptions::new().read(true).custom_flags((flags | OFlag::O_NONBLOCK).bits()).open(node)
}

fn is_same(file: &File, node: &Path) -> io::Result<bool> {
    let (held, now) = (file.metadata()?, fs::metadata(node)?);
    Ok((held.dev(), held.ino()) == (now.dev(), now.ino()))
}

/// Sleeps until the lock is free; `None` when it did not become so in time.
///
/// flock(2) has no time-out, so a thread waits. One that is given up stays in the queue and lets the
/// lock go as soon as it gets it, or ends with the process.
fn wait(file: File, timeout: Duration) -> io::Result<Option<File>> {
    let (sender, receiver) = mpsc::sync_channel(0);
    std::thread::Builder::new().name("card-lock".to_owned()).stack_size(64 * 1024).spawn(
        move || {
            let result = lock_file(&file).map(|()| file);
            // Nobody waits any more: the file is dropped, and the lock with it.
            let _ = sender.send(result);
        },
    )?;
    match receiver.recv_timeout(timeout) {
        Ok(result) => result.map(Some),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the waiting thread ended")),
    }
}

/// A signal handler of the program may interrupt the wait.
fn lock_file(file: &File) -> io::Result<()> {
    loop {
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
