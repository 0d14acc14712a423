//! Control of a running emulator over its socket: one JSON object a line, one answer a line.

mod registers;
pub(crate) mod socket;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::card::afu::Fault;

/// What can be asked of the emulator. Cards go by name, PCI address or number; ports by number on the card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// What there is.
    Status,
    /// Take the seccomp listener that comes with this line; internal to `exec`.
    Listen,
    /// Latch port errors.
    PortError {
        /// Card.
        card: String,
        /// Port.
        port: usize,
        /// Bits of the port error register.
        bits: u64,
    },
    /// Latch errors of the management engine.
    FmeError {
        /// Card.
        card: String,
        /// Bits of the error register.
        bits: u64,
    },
    /// Set the temperature sensor.
    Temperature {
        /// Card.
        card: String,
        /// Degrees Celsius.
        celsius: u8,
    },
    /// Set the power state of a port: 0 normal, 1 and 2 throttled, 6 off.
    PowerState {
        /// Card.
        card: String,
        /// Port.
        port: usize,
        /// State.
        state: u8,
    },
    /// Make reconfigurations fail with these bits of the error register; 0 ends it.
    PrError {
        /// Card.
        card: String,
        /// Bits.
        bits: u64,
    },
    /// Time that a reconfiguration takes beyond the transfer.
    PrTime {
        /// Card.
        card: String,
        /// Milliseconds.
        ms: u64,
    },
    /// Make reconfigurations never complete.
    PrStall {
        /// Card.
        card: String,
        /// On or off.
        on: bool,
    },
    /// Load a function without reconfiguration.
    Function {
        /// Card.
        card: String,
        /// Port.
        port: usize,
        /// UUID, or `nlb0`, `nlb3`, `hello`.
        afu: String,
    },
    /// Make a port's function faulty.
    FunctionFault {
        /// Card.
        card: String,
        /// Port.
        port: usize,
        /// How.
        fault: Fault,
    },
    /// Pull a card out of its slot.
    Remove {
        /// Card.
        card: String,
    },
    /// Put it back.
    Insert {
        /// Card.
        card: String,
    },
    /// Unbind and bind a card's driver; its devices go and come back.
    Rebind {
        /// Card.
        card: String,
    },
    /// Make an attribute answer an error to who reads it, or its value again.
    AttributeError {
        /// Path in the tree, from the root or absolute; links are followed.
        path: PathBuf,
        /// Error name such as `EIO`; none for the value.
        error: Option<String>,
    },
    /// Write to an attribute as the superuser would, with the answer that write(2) gives.
    Write {
        /// Path in the tree.
        path: PathBuf,
        /// Text.
        text: String,
    },
}

/// The emulator's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Done.
    Done,
    /// The answer to [`Command::Status`].
    Status(Status),
    /// Not done, and why.
    Error(String),
}

/// What an emulator serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Root of the tree; the directory of the cards' sockets where a guest is served.
    pub root: PathBuf,
    /// Its cards.
    pub cards: Vec<CardStatus>,
}

/// One card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardStatus {
    /// Name.
    pub name: String,
    /// PCI address.
    pub pci: String,
    /// On the bus.
    pub present: bool,
    /// Management node below `/dev`; none while the card is gone, and where only the guest knows.
    pub fme: Option<String>,
    /// Ports.
    pub ports: Vec<PortStatus>,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortStatus {
    /// Node below `/dev`; none while there is none, and where only the guest knows.
    pub node: Option<String>,
    /// The function that is loaded, 32 digits.
    pub afu_id: String,
    /// Disabled: being reconfigured, or left so by a failure.
    pub disabled: bool,
    /// Memory of a client is mapped; false where only the guest knows.
    pub mapped: bool,
}

/// What went wrong between us and the emulator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection.
    #[error("{socket}: {reason}")]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The connection broke.
    #[error("the emulator went away: {0}")]
    Lost(std::io::Error),
    /// The answer makes no sense.
    #[error("unexpected answer of the emulator: {0}")]
    Answer(String),
    /// The emulator refused.
    #[error("{0}")]
    Refused(String),
}

/// A connection to an emulator.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the socket of `serve`.
    ///
    /// # Errors
    /// [`Error::Connect`].
    pub fn connect(socket: impl AsRef<Path>) -> Result<Self, Error> {
        let socket = socket.as_ref();
        let stream = UnixStream::connect(socket)
            .map_err(|reason| Error::Connect { socket: socket.to_owned(), reason })?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends a command and waits for the answer. When it returns, the tree shows what changed.
    ///
    /// # Errors
    /// [`Error`].
    pub fn call(&mut self, command: &Command) -> Result<Answer, Error> {
        let line = to_line(command)?;
        self.stream.get_mut().write_all(line.as_bytes()).map_err(Error::Lost)?;
        self.answer()
    }

    /// As [`Client::call`] for commands without a result.
    ///
    /// # Errors
    /// [`Error`].
    pub fn run(&mut self, command: &Command) -> Result<(), Error> {
        match self.call(command)? {
            Answer::Done => Ok(()),
            other => Err(Error::Answer(format!("{other:?}"))),
        }
    }

    pub(crate) fn answer(&mut self) -> Result<Answer, Error> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).map_err(Error::Lost)? == 0 {
            return Err(Error::Lost(std::io::ErrorKind::UnexpectedEof.into()));
        }
        match serde_json::from_str(&line) {
            Ok(Answer::Error(reason)) => Err(Error::Refused(reason)),
            Ok(answer) => Ok(answer),
            Err(e) => Err(Error::Answer(e.to_string())),
        }
    }

    pub(crate) fn stream(&self) -> &UnixStream {
        self.stream.get_ref()
    }

    /// What the emulator serves.
    ///
    /// # Errors
    /// [`Error`], as for all methods below.
    pub fn status(&mut self) -> Result<Status, Error> {
        match self.call(&Command::Status)? {
            Answer::Status(status) => Ok(status),
            other => Err(Error::Answer(format!("{other:?}"))),
        }
    }

    /// Latches port errors.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub fn port_error(&mut self, card: &str, port: usize, bits: u64) -> Result<(), Error> {
        self.run(&Command::PortError { card: card.into(), port, bits })
    }

    /// Latches errors of the management engine.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub fn fme_error(&mut self, card: &str, bits: u64) -> Result<(), Error> {
        self.run(&Command::FmeError { card: card.into(), bits })
    }

    /// Sets the temperature in degrees Celsius.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub fn temperature(&mut self, card: &str, celsius: u8) -> Result<(), Error> {
        self.run(&Command::Temperature { card: card.into(), celsius })
    }

    /// Makes reconfigurations fail with these bits of the error register; 0 ends it.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub fn pr_error(&mut self, card: &str, bits: u64) -> Result<(), Error> {
        self.run(&Command::PrError { card: card.into(), bits })
    }

    /// Sets how long a reconfiguration takes.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub fn pr_time(&mut self, card: &str, time: Duration) -> Result<(), Error> {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.run(&Command::PrTime { card: card.into(), ms })
    }

    /// Loads a function: a UUID, or `nlb0`, `nlb3`, `hello`.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub fn function(&mut self, card: &str, port: usize, afu: &str) -> Result<(), Error> {
        self.run(&Command::Function { card: card.into(), port, afu: afu.into() })
    }

    /// Makes a function faulty.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub fn function_fault(&mut self, card: &str, port: usize, fault: Fault) -> Result<(), Error> {
        self.run(&Command::FunctionFault { card: card.into(), port, fault })
    }

    /// Pulls a card out of its slot.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub fn remove(&mut self, card: &str) -> Result<(), Error> {
        self.run(&Command::Remove { card: card.into() })
    }

    /// Puts it back.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub fn insert(&mut self, card: &str) -> Result<(), Error> {
        self.run(&Command::Insert { card: card.into() })
    }

    /// Unbinds and binds a card's driver.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub fn rebind(&mut self, card: &str) -> Result<(), Error> {
        self.run(&Command::Rebind { card: card.into() })
    }

    /// Makes an attribute answer `error` (a name such as `EIO`), or its value again.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub fn attribute_error(
        &mut self,
        path: impl AsRef<Path>,
        error: Option<&str>,
    ) -> Result<(), Error> {
        self.run(&Command::AttributeError {
            path: path.as_ref().into(),
            error: error.map(Into::into),
        })
    }
}

/// A message as a line.
pub(crate) fn to_line<T: Serialize>(message: &T) -> Result<String, Error> {
    let mut line = serde_json::to_string(message).map_err(|e| Error::Answer(e.to_string()))?;
    line.push('\n');
    Ok(line)
}
