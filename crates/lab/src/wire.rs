//! What guest and host say to each other over the guest's serial line: one JSON object a line, each
//! request answered once. The guest asks, since it is the guest that knows when something is due.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the guest asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// What there is to do. The first request.
    Task,
    /// A line for the emulator's control socket; the answer is its line.
    Emulator(String),
    /// Kill the emulator as by `kill -9`: the cards are torn out of their slots.
    KillEmulator,
    /// Start it again with the same machine and sockets, all cards as after power-on.
    StartEmulator,
    /// Something to tell the person, such as a time that was measured.
    Note(String),
    /// The task has ended. The last request.
    End(Ended),
}

/// What the host answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// To [`Request::Task`].
    Task(Task),
    /// To [`Request::Emulator`].
    Emulator(String),
    /// To everything else.
    Done,
    /// Not done, and why.
    Error(String),
}

/// What a guest is booted for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// A case of the suite, by its name.
    Case(String),
    /// A program of the host.
    Program(Program),
}

/// A program and its surroundings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Program {
    /// Program and arguments.
    pub(crate) command: Vec<String>,
    /// Working directory.
    pub(crate) directory: PathBuf,
    /// A person sits at the console.
    pub(crate) interactive: bool,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ended {
    /// As it should; a program with this exit code.
    Exit(u8),
    /// Not as it should, and why.
    Failed(String),
}
