//! The running emulator: the tree kept true, ioctls answered, functions at work, control on a socket.

mod client;
mod control;
mod listen;
mod opens;
mod shown;
mod status;
mod writers;

use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::ctl::socket;
use crate::host::{Host, Kernel};
use crate::machine::Machine;
use crate::tree::{self, Tree};
use shown::Shown;

/// What to serve, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The machine.
    pub machine: Machine,
    /// Root of the tree: absent, empty or an earlier tree.
    pub root: PathBuf,
    /// Socket for `exec` and control.
    pub socket: PathBuf,
    /// Print every answered ioctl to standard error.
    pub verbose: bool,
}

/// Why the emulator does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tree.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// The socket.
    #[error("{path}: {reason}")]
    Socket {
        /// Its path.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A system call.
    #[error("{what}: {reason}")]
    System {
        /// Which.
        what: &'static str,
        /// Why.
        reason: Errno,
    },
}

/// A running emulator. Dropping it stops it and removes the socket and the tree.
pub struct Server {
    shared: Arc<Shared>,
    root: PathBuf,
    socket: PathBuf,
    threads: Vec<JoinHandle<()>>,
}

/// What all threads of the emulator know.
pub(crate) struct Shared {
    kernel: Arc<Kernel>,
    shown: Arc<Shown>,
    exclusive: opens::Exclusive,
    writers: writers::Writers,
    /// Readable once the emulator is to stop.
    stop: EventFd,
    verbose: bool,
}

impl Server {
    /// Starts serving; when this returns, the tree is complete and the socket accepts.
    ///
    /// # Errors
    /// [`Error`] with the path.
    pub fn start(options: &Options) -> Result<Self, Error> {
        let mut host = Host::new(&options.machine);
        let mut tree = Tree::claim(&options.root)?;
        tree.map_registers(crate::sys::registers::map);
        tree.show_machine(&host)?;
        let mapped = tree.sync(&host)?;
        shown::share(&mut host, mapped);
        let inotify = tree.watch()?;
        let root = tree.root().to_owned();
        let listener = socket::bind(&options.socket)
            .map_err(|reason| Error::Socket { path: options.socket.clone(), reason })?;
        let stop = EventFd::from_flags(EfdFlags::EFD_CLOEXEC)
            .map_err(|reason| Error::System { what: "eventfd", reason })?;
        let shown = Arc::new(Shown::new(tree));
        let kernel = Arc::new(Kernel::new(host, Box::new(Arc::clone(&shown))));
        shown.attach(&kernel);
        let shared = Arc::new(Shared {
            kernel,
            shown,
            exclusive: opens::Exclusive::default(),
            writers: writers::Writers::default(),
            stop,
            verbose: options.verbose,
        });
        let (for_socket, for_writes) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            std::thread::spawn(move || accept(&for_socket, &listener)),
            std::thread::spawn(move || {
                while wait(inotify.as_fd(), &for_writes.stop) {
                    for_writes.shown.take_writes(&for_writes.kernel);
                }
            }),
        ];
        Ok(Self { shared, root, socket: options.socket.clone(), threads })
    }

    /// The machine.
    #[must_use]
    pub fn kernel(&self) -> &Arc<Kernel> {
        &self.shared.kernel
    }

    /// Root of the tree, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    fn halt(&mut self) -> Result<(), Error> {
        if self.threads.is_empty() {
            return Ok(());
        }
        self.shared.stop.write(1).map_err(|reason| Error::System { what: "eventfd", reason })?;
        for thread in self.threads.drain(..) {
            // A panic of a thread was printed by it; stopping goes on.
            let _panicked = thread.join();
        }
        let removed = fs::remove_file(&self.socket);
        self.shared.shown.destroy()?;
        match removed {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                Err(Error::Socket { path: self.socket.clone(), reason: e })
            }
            _ => Ok(()),
        }
    }

    /// Stops: clients get `ENOSYS` from then on; socket and tree are removed.
    ///
    /// # Errors
    /// When something could not be removed.
    pub fn stop(mut self) -> Result<(), Error> {
        self.halt()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(e) = self.halt() {
            eprintln!("fpga-emulator: {e}");
        }
    }
}

fn accept(shared: &Arc<Shared>, listener: &UnixListener) {
    while wait(listener.as_fd(), &shared.stop) {
        if let Ok((stream, _)) = listener.accept() {
            let shared = Arc::clone(shared);
            std::thread::spawn(move || control::serve(&shared, &stream));
        }
    }
}

/// Waits until `fd` is readable; false when it is time to stop.
fn wait(fd: std::os::fd::BorrowedFd<'_>, stop: &EventFd) -> bool {
    loop {
        let mut fds =
            [PollFd::new(fd, PollFlags::POLLIN), PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            Err(_) => return false,
            Ok(_) => {
                let ready = |i: usize| fds[i].any() == Some(true);
                return ready(0) && !ready(1);
            }
        }
    }
}
