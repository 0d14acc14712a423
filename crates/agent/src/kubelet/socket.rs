//! A plugin's socket in the kubelet's directory: bound, owned, removed.
//!
//! Several agents may be pointed at one directory by mistake, and an agent that was killed leaves its
//! sockets behind. A socket that nobody listens on is replaced; a live one is never taken. Looking and
//! replacing happen under a lock on the directory, so that two agents cannot both find it dead.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Most bytes that the path of a unix socket can have: `sun_path` less its NUL (`unix(7)`).
pub(crate) const LONGEST_PATH: usize = 107;

/// Wait after a failed accept, which means that descriptors or memory are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket cannot be had now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// Someone listens on it.
    #[error("socket {} is already in use by another plugin", .0.display())]
    InUse(PathBuf),
    /// Another process is between looking at a socket and replacing it.
    #[error("directory {} is locked by another process", .0.display())]
    Locked(PathBuf),
    /// Something else has its name.
    #[error("{} is in the way: it is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The directory or the socket cannot be worked with.
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// A bound socket, whose connections are handed on.
#[derive(Debug)]
pub(crate) struct Endpoint {
    path: PathBuf,
    id: FileId,
    acceptor: JoinHandle<()>,
}

/// Identity of a file. While a socket is bound its inode is in use, so that no other file can have it.
type FileId = (u64, u64);

impl Endpoint {
    /// Binds `path` and sends what connects to `connections`.
    ///
    /// # Errors
    /// [`BindError`], all of which may pass by themselves.
    pub(crate) fn bind(
        path: &Path,
        connections: mpsc::Sender<io::Result<UnixStream>>,
    ) -> Result<Self, BindError> {
        let at_path = |error| BindError::Io { path: path.to_owned(), error };
        let _lock = lock_directory(path)?;
        make_way(path)?;
        let listener = UnixListener::bind(path).map_err(at_path)?;
        let id = file_id(path).map_err(at_path)?;
        let acceptor = tokio::spawn(accept(listener, connections));
        Ok(Self { path: path.to_owned(), id, acceptor })
    }

    /// True while the path still leads to this socket.
    #[must_use]
    pub(crate) fn is_intact(&self) -> bool {
        file_id(&self.path).is_ok_and(|id| id == self.id)
    }

    /// Stops listening and removes the socket, unless the path leads to another one by now.
    pub(crate) fn remove(self) {
        let _lock = lock_directory(&self.path);
        if self.is_intact()
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!("cannot remove socket {}: {error}", self.path.display());
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn accept(listener: UnixListener, connections: mpsc::Sender<io::Result<UnixStream>>) {
    loop {
        match listener.accept().await {
            Ok((connection, _)) => {
                if connections.send(Ok(connection)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The lock lasts until the file is dropped, or its process is gone.
fn lock_directory(path: &Path) -> Result<File, BindError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let failed = |error| BindError::Io { path: directory.to_owned(), error };
    let file = File::open(directory).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BindError::Locked(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Removes a socket that nobody listens on.
fn make_way(path: &Path) -> Result<(), BindError> {
    let failed = |error| BindError::Io { path: path.to_owned(), error };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(BindError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match probe(path) {
        // No listener, and no way to get one again.
        Err(Errno::ECONNREFUSED) => {}
        Err(Errno::ENOENT) => return Ok(()),
        // EAGAIN: there is a listener, whose queue is full.
        Ok(()) | Err(Errno::EAGAIN) => return Err(BindError::InUse(path.to_owned())),
        Err(error) => return Err(failed(error.into())),
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

/// Connects without waiting.
fn probe(path: &Path) -> nix::Result<()> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?)
}

fn file_id(path: &Path) -> io::Result<FileId> {
    std::fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests;
