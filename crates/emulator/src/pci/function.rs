//! A function's socket: one front end after the other.

use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::board::{Board, Unit};
use super::connection::Connection;

/// A function, for as long as the emulator runs.
pub(super) struct Function {
    board: Arc<Board>,
    unit: Unit,
    /// The current connection.
    stream: Mutex<Option<UnixStream>>,
}

impl Function {
    pub(super) fn new(board: Arc<Board>, unit: Unit) -> Self {
        Self { board, unit, stream: Mutex::default() }
    }

    /// Serves for ever.
    pub(super) fn serve(&self, listener: &UnixListener) {
        loop {
            let ended = match listener.accept() {
                Ok((stream, _)) => self.connection(&stream),
                Err(e) => {
                    // One that stays, such as too many open files, must not keep a processor busy.
                    std::thread::sleep(std::time::Duration::from_millis(100));
                    Err(e.to_string())
                }
            };
            *self.stream() = None;
            self.board.disconnect(self.unit);
            if let Err(e) = ended {
                eprintln!("fpga-emulator: {}: {e}", self.name());
            }
        }
    }

    fn connection(&self, stream: &UnixStream) -> Result<(), String> {
        *self.stream() = Some(stream.try_clone().map_err(|e| e.to_string())?);
        // After that, as `cut` comes after the card left.
        if !self.board.state().present {
            return Ok(());
        }
        Connection::new(&self.board, self.unit)?.serve(stream)
    }

    fn stream(&self) -> MutexGuard<'_, Option<UnixStream>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the current connection.
    pub(super) fn cut(&self) {
        if let Some(stream) = &*self.stream() {
            // One that the other side ended is no error.
            let _ended = stream.shutdown(Shutdown::Both);
        }
    }

    fn name(&self) -> String {
        let card = &self.board.spec.name;
        match self.unit {
            Unit::Physical => card.clone(),
            Unit::Virtual(n) => format!("{card}, virtual function {n}"),
        }
    }
}
