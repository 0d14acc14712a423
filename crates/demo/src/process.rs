//! Child processes that end with the demo and whose words are kept.

use std::ffi::OsStr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// What a child of the demo did wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be started.
    #[error("cannot start {name}: {source}")]
    Start {
        /// The program.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ended or stayed silent before it said what was expected.
    #[error("{name} never said {expected:?}; its last words: {last}")]
    Silent {
        /// The program.
        name: String,
        /// What was waited for.
        expected: String,
        /// The end of its log.
        last: String,
    },
    /// It did not end on SIGTERM.
    #[error("{name} did not end within {limit:?} of SIGTERM")]
    Stuck {
        /// The program.
        name: String,
        /// How long was waited.
        limit: Duration,
    },
    /// It could not be signalled or waited for.
    #[error("{name}: {source}")]
    Wait {
        /// The program.
        name: String,
        /// Why.
        source: std::io::Error,
    },
}

/// A long-running child. Dropping it kills it and waits for its end, so that it writes no file afterwards.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    pid: Pid,
    log: watch::Receiver<Vec<String>>,
}

impl Process {
    /// Starts `command` with both outputs read line by line into the log.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(mut command: Command) -> Result<Self, Error> {
        let name = program_name(&command);
        let fail = |source| Error::Start { name: name.clone(), source };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(fail)?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let pid = pid.ok_or_else(|| fail(std::io::Error::other("it ended at once")))?;
        let (sender, log) = watch::channel(Vec::new());
        if let Some(output) = child.stdout.take() {
            tokio::spawn(keep(output, sender.clone()));
        }
        if let Some(output) = child.stderr.take() {
            tokio::spawn(keep(output, sender));
        }
        Ok(Self { name, child, pid, log })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Everything that it printed so far, both outputs in order of arrival.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// Waits for a line that contains `text`.
    ///
    /// # Errors
    /// When the child closes its outputs or `limit` passes first.
    pub async fn wait_for_line(&mut self, text: &str, limit: Duration) -> Result<String, Error> {
        let find = |log: &[String]| log.iter().find(|line| line.contains(text)).cloned();
        let found = tokio::time::timeout(limit, self.log.wait_for(|log| find(log).is_some())).await;
        let line = found.ok().and_then(Result::ok).and_then(|log| find(&log));
        line.ok_or_else(|| Error::Silent {
            name: self.name.clone(),
            expected: text.to_owned(),
            last: last_words(&self.log.borrow()),
        })
    }

    /// Asks it to end by SIGTERM and waits.
    ///
    /// # Errors
    /// When it is still there after `limit`.
    pub async fn terminate(mut self, limit: Duration) -> Result<ExitStatus, Error> {
        let wait = |source| Error::Wait { name: self.name.clone(), source };
        if let Some(status) = self.child.try_wait().map_err(wait)? {
            return Ok(status);
        }
        kill(self.pid, Signal::SIGTERM).map_err(|e| wait(e.into()))?;
        match tokio::time::timeout(limit, self.child.wait()).await {
            Ok(status) => status.map_err(wait),
            Err(_) => Err(Error::Stuck { name: self.name.clone(), limit }),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.start_kill().is_err() {
            return;
        }
        // SIGKILL ends it soon, unless the kernel does not let go of it.
        for _ in 0..1000 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// File name of the program of a command.
pub(crate) fn program_name(command: &Command) -> String {
    let program = std::path::Path::new(command.as_std().get_program());
    program.file_name().unwrap_or(OsStr::new("?")).to_string_lossy().into_owned()
}

async fn keep(output: impl AsyncRead + Unpin, log: watch::Sender<Vec<String>>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.send_modify(|log| log.push(line));
    }
}

fn last_words(log: &[String]) -> String {
    match log.len() {
        0 => "none".to_owned(),
        n => log[n.saturating_sub(3)..].join(" | "),
    }
}
