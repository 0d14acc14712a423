//! Asking a programmer. Whoever has an async runtime calls it from a thread of its own.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::message::{Answer, LONGEST, Request};

/// A programmer's socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    socket: PathBuf,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens, or the connection broke.
    #[error("the programmer at {} does not answer: {cause}", socket.display())]
    Io {
        /// Its socket.
        socket: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// What it sends is no answer.
    #[error("the programmer at {} answers what is not an answer: {cause}", socket.display())]
    Malformed {
        /// Its socket.
        socket: PathBuf,
        /// Why.
        #[source]
        cause: serde_json::Error,
    },
}

impl Client {
    /// The programmer that listens at `socket`. Nothing is connected yet.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks, and waits for the answer for at most `limit`.
    ///
    /// # Errors
    /// [`CallError`]. What was asked for may be done all the same, and is when the connection breaks meanwhile.
    pub fn call(&self, request: &Request, limit: Duration) -> Result<Answer, CallError> {
        let fail = |cause| CallError::Io { socket: self.socket.clone(), cause };
        let line = self.exchange(request, limit).map_err(fail)?;
        serde_json::from_slice(&line)
            .map_err(|cause| CallError::Malformed { socket: self.socket.clone(), cause })
    }

    fn exchange(&self, request: &Request, limit: Duration) -> io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let mut answer = Vec::new();
        BufReader::new(stream).take(LONGEST).read_until(b'\n', &mut answer)?;
        match answer.last() {
            Some(b'\n') => Ok(answer),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
