//! The way to the card itself: faults, temperatures and the like, over the emulator's control protocol.
//!
//! In a guest the emulator's socket is out of reach, but a directory of the host is not. A relay on the host, which is
//! this program too, takes a request file from there, asks the emulator, and puts the answer beside it.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fpga_emulator::ctl::{Answer, Client, Command};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(1);

/// A way to the emulator.
pub(crate) enum Faults {
    Socket(PathBuf),
    Directory { path: PathBuf, next: Cell<u32> },
}

impl Faults {
    /// A directory is one that a relay watches; anything else is the emulator's socket.
    pub(crate) fn new(path: PathBuf) -> Self {
        if path.is_dir() {
            // Several processes of one run use the directory.
            let next = Cell::new(std::process::id() << 12);
            Self::Directory { path, next }
        } else {
            Self::Socket(path)
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Socket(path) | Self::Directory { path, .. } => path,
        }
    }

    /// Asks the emulator: its answer, or why there is none.
    pub(crate) fn send(&self, command: &Command) -> Result<(), String> {
        let answer = match self {
            Self::Socket(path) => Client::connect(path)
                .and_then(|mut client| client.call(command))
                .map_err(|e| e.to_string())?,
            Self::Directory { path, next } => {
                let number = next.get();
                next.set(number + 1);
                ask(path, number, command)?
            }
        };
        match answer {
            Answer::Error(reason) => Err(reason),
            Answer::Done | Answer::Status(_) => Ok(()),
        }
    }
}

fn ask(directory: &Path, number: u32, command: &Command) -> Result<Answer, String> {
    let request = serde_json::to_vec(command).map_err(|e| e.to_string())?;
    let (new, ready) = (file(directory, number, "new"), file(directory, number, "request"));
    fs::write(&new, request).and_then(|()| fs::rename(&new, &ready)).map_err(|e| e.to_string())?;
    let (answer, start) = (file(directory, number, "answer"), Instant::now());
    loop {
        if let Ok(text) = fs::read(&answer) {
            let _removed = fs::remove_file(&answer);
            return serde_json::from_slice(&text).map_err(|e| e.to_string());
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("{}: no relay answers", ready.display()));
        }
        std::thread::sleep(POLL);
    }
}

fn file(directory: &Path, number: u32, kind: &str) -> PathBuf {
    directory.join(format!("{number}.{kind}"))
}

/// Answers requests in `directory` until a file `end` is there.
pub(crate) fn relay(directory: &Path, socket: &Path) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", directory.display());
    while !directory.join("end").exists() {
        for entry in fs::read_dir(directory).map_err(failed)?.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|e| e == "request") {
                answer(&path, socket).map_err(failed)?;
            }
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

fn answer(request: &Path, socket: &Path) -> std::io::Result<()> {
    let command: Command = serde_json::from_slice(&fs::read(request)?)?;
    let answer = Client::connect(socket)
        .and_then(|mut client| client.call(&command))
        .unwrap_or_else(|e| Answer::Error(e.to_string()));
    let new = request.with_extension("new");
    fs::write(&new, serde_json::to_vec(&answer)?)?;
    fs::remove_file(request)?;
    fs::rename(&new, request.with_extension("answer"))
}
