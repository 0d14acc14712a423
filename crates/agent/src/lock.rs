//! One agent of a node serves at a time; another one stands by until it ends, however it ends.
//!
//! The lock is flock(2) on a file, which the kernel lets go of when its holder dies. It is waited for in a thread, so
//! that waiting costs nothing and ends at once.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;

use fpga::files;
use nix::fcntl::OFlag;
use tokio::sync::oneshot;

/// The right to serve, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// An answer to who asks for the right.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Nobody else had it.
    Taken(Lock),
    /// It comes when whoever has it ends.
    Waiting(oneshot::Receiver<io::Result<Lock>>),
}

/// Asks for the right to serve that goes with the file `path`, which is made if it is missing.
///
/// # Errors
/// When the file cannot be made or locked, or a thread is unavailable.
pub(crate) fn claim(path: &Path) -> io::Result<Claim> {
    let busy = match try_take(path)? {
        Ok(lock) => return Ok(Claim::Taken(lock)),
        Err(busy) => busy,
    };
    let (taken, waiting) = oneshot::channel();
    let path = path.to_owned();
    thread::Builder::new().name("lock".to_owned()).spawn(move || {
        // Nobody listens when the agent is about to end.
        let _ = taken.send(take(busy, &path));
    })?;
    Ok(Claim::Waiting(waiting))
}

/// The right, or the file by which somebody else has it.
fn try_take(path: &Path) -> io::Result<Result<Lock, File>> {
    loop {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) if is_at(&file, path) => return Ok(Ok(Lock { _file: file })),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(file)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

fn take(mut file: File, path: &Path) -> io::Result<Lock> {
    loop {
        match file.lock() {
            Ok(()) if is_at(&file, path) => return Ok(Lock { _file: file }),
            Ok(()) => file = open(path)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        files::make_directories(directory)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(path)
}

/// False when somebody removed or replaced the file, so that the next one to ask would lock another.
fn is_at(file: &File, path: &Path) -> bool {
    let id = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let found = std::fs::symlink_metadata(path).map(id);
    found.is_ok_and(|found| file.metadata().is_ok_and(|metadata| id(metadata) == found))
}

/// The right to serve cannot be asked for.
#[derive(Debug, thiserror::Error)]
#[error("--lock-file {}: {error}", path.display())]
pub(crate) struct LockFailed {
    pub path: PathBuf,
    pub error: io::Error,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn the_second_gets_it_when_the_first_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/agent.lock");
        let Claim::Taken(first) = claim(&path).unwrap() else { panic!("somebody has it") };
        let Claim::Waiting(mut second) = claim(&path).unwrap() else { panic!("two have it") };
        second.try_recv().unwrap_err();
        drop(first);
        let second = tokio::time::timeout(LIMIT, second).await.unwrap().unwrap().unwrap();
        assert!(matches!(claim(&path).unwrap(), Claim::Waiting(_)));
        drop(second);
    }

    #[tokio::test]
    async fn a_file_that_was_made_anew_meanwhile_is_the_one_that_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.lock");
        let Claim::Taken(first) = claim(&path).unwrap() else { panic!("somebody has it") };
        let Claim::Waiting(second) = claim(&path).unwrap() else { panic!("two have it") };
        std::fs::remove_file(&path).unwrap();
        let Claim::Taken(third) = claim(&path).unwrap() else { panic!("nobody has the new one") };
        drop(first);
        let mut second = second;
        tokio::time::sleep(Duration::from_millis(50)).await;
        second.try_recv().unwrap_err();
        drop(third);
        tokio::time::timeout(LIMIT, second).await.unwrap().unwrap().unwrap();
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("agent.lock"), dir.path().join("other"));
        std::os::unix::fs::symlink(&other, &path).unwrap();
        claim(&path).unwrap_err();
        assert!(!other.exists());
    }
}
