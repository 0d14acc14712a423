//! Answers what a guest asks over its serial line.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;

use anyhow::{Context, bail, ensure};

use super::emulator::Emulator;
use crate::wire::{Answer, Ended, Request, Task};

/// Serves until the guest says how it ended.
///
/// # Errors
/// When the guest dies or is silent for too long.
pub(super) fn serve(
    line: UnixStream,
    task: &Task,
    mut emulator: Emulator,
    note: &mut dyn FnMut(String),
) -> anyhow::Result<Ended> {
    let mut writer = line.try_clone()?;
    let mut spoke = false;
    for text in BufReader::new(line).lines() {
        let text = match text {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::WouldBlock => bail!("the guest did not end in time"),
            Err(e) => bail!("the guest's line broke: {e}"),
        };
        let request =
            serde_json::from_str(&text).with_context(|| format!("the guest said {text:?}"))?;
        spoke = true;
        let answer = match request {
            Request::Task => Ok(Answer::Task(task.clone())),
            Request::Emulator(line) => emulator.ask(&line).map(Answer::Emulator),
            Request::KillEmulator => emulator.kill().map(|()| Answer::Done).map_err(Into::into),
            Request::StartEmulator => emulator.again().map(|()| Answer::Done),
            Request::Note(text) => {
                note(text);
                Ok(Answer::Done)
            }
            Request::End(ended) => return Ok(ended),
        };
        let answer = answer.unwrap_or_else(|error| Answer::Error(format!("{error:#}")));
        let mut answer = serde_json::to_vec(&answer)?;
        answer.push(b'\n');
        writer.write_all(&answer).context("the guest's line broke")?;
    }
    ensure!(spoke, "the guest died before its first word");
    bail!("the guest died")
}
