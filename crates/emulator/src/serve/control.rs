//! One connection to the socket: commands, line by line, and the listener of `exec`.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;

use super::{Shared, listen, status};
use crate::card::afu;
use crate::ctl::{Answer, Command};
use crate::host::Slot;
use crate::id::Guid;

/// A line longer than this is not a command.
const LONGEST: usize = 64 << 10;

/// Serves a connection until its end.
pub(super) fn serve(shared: &Arc<Shared>, mut stream: &UnixStream) {
    let (mut pending, mut descriptor) = (Vec::new(), None);
    let mut buffer = [0; 4096];
    while pending.len() < LONGEST {
        let Ok((count, fd)) = crate::sys::descriptor::receive(stream, &mut buffer) else { return };
        if count == 0 {
            return;
        }
        pending.extend_from_slice(&buffer[..count]);
        descriptor = fd.or(descriptor);
        while let Some(end) = pending.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let answer = line_answer(shared, &line, &mut descriptor);
            let Ok(text) = crate::ctl::to_line(&answer) else { return };
            if stream.write_all(text.as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn line_answer(shared: &Arc<Shared>, line: &[u8], descriptor: &mut Option<OwnedFd>) -> Answer {
    // What was written to attributes before the command comes first.
    shared.shown.take_writes(&shared.kernel);
    let result = match serde_json::from_slice(line) {
        Ok(Command::Status) => {
            let root = shared.shown.tree(|t| t.root().to_owned()).unwrap_or_default();
            return Answer::Status(status::status(root, &shared.kernel.host()));
        }
        Ok(Command::Listen) => start_listener(shared, descriptor.take()),
        Ok(command) => execute(shared, command),
        Err(e) => Err(format!("not a command: {e}")),
    };
    result.map_or_else(Answer::Error, |()| Answer::Done)
}

fn start_listener(shared: &Arc<Shared>, descriptor: Option<OwnedFd>) -> Result<(), String> {
    let descriptor = descriptor.ok_or("no descriptor came with the command")?;
    let shared = Arc::clone(shared);
    std::thread::spawn(move || listen::serve(&shared, descriptor));
    Ok(())
}

fn execute(shared: &Shared, command: Command) -> Result<(), String> {
    match command {
        Command::PortError { card, port, bits } => {
            on_port(shared, &card, port, |s| s.card.raise_port_error(port, bits))
        }
        Command::FmeError { card, bits } => {
            on_card(shared, &card, |s| s.card.raise_fme_error(bits))
        }
        Command::Temperature { card, celsius } => {
            on_card(shared, &card, |s| s.card.set_temperature(celsius))
        }
        Command::PowerState { card, port, state } => {
            on_port(shared, &card, port, |s| s.card.set_power_state(port, state))
        }
        Command::PrError { card, bits } => {
            on_card(shared, &card, |s| s.card.fme.force_pr_error(bits))
        }
        Command::PrTime { card, ms } => {
            on_card(shared, &card, |s| s.card.fme.set_pr_time(Duration::from_millis(ms)))
        }
        Command::PrStall { card, on } => on_card(shared, &card, |s| s.card.fme.stall_pr(on)),
        Command::Function { card, port, afu } => {
            let id = function(&afu)?;
            on_port(shared, &card, port, |s| s.card.set_function(port, id))
        }
        Command::FunctionFault { card, port, fault } => {
            on_port(shared, &card, port, |s| s.card.ports[port].fault = fault)
        }
        Command::Remove { card } => on_index(shared, &card, |host, index| host.remove(index)),
        Command::Insert { card } => on_index(shared, &card, |host, index| host.insert(index)),
        Command::Rebind { card } => {
            shared.kernel.rebind(card_index(shared, &card)?);
            Ok(())
        }
        Command::AttributeError { path, error } => deny(shared, &path, error.as_deref()),
        Command::Write { path, text } => write(shared, &path, &text),
        Command::Status | Command::Listen => Ok(()),
    }
}

fn function(text: &str) -> Result<Guid, String> {
    afu::by_name(text).map_or_else(|| text.parse().map_err(|e| format!("{e}")), Ok)
}

fn on_index(
    shared: &Shared,
    card: &str,
    change: impl FnOnce(&mut crate::host::Host, usize),
) -> Result<(), String> {
    let index = card_index(shared, card)?;
    shared.kernel.update(|host| change(host, index));
    Ok(())
}

fn card_index(shared: &Shared, card: &str) -> Result<usize, String> {
    shared.kernel.host().find(card).ok_or_else(|| format!("no card {card:?}"))
}

fn on_card(shared: &Shared, card: &str, change: impl FnOnce(&mut Slot)) -> Result<(), String> {
    on_index(shared, card, |host, index| change(&mut host.slots[index]))
}

fn on_port(
    shared: &Shared,
    card: &str,
    port: usize,
    change: impl FnOnce(&mut Slot),
) -> Result<(), String> {
    let index = card_index(shared, card)?;
    if port >= shared.kernel.host().slots[index].ports.len() {
        return Err(format!("card {card:?} has no port {port}"));
    }
    on_card(shared, card, change)
}

fn deny(shared: &Shared, path: &Path, error: Option<&str>) -> Result<(), String> {
    let error = error.map(errno).transpose()?;
    let found = shared.shown.tree(|t| t.locate(path)).flatten();
    let (index, path) =
        found.ok_or_else(|| format!("{}: no attribute of a card", path.display()))?;
    shared.kernel.update(|host| host.slots[index].deny(&path, error));
    Ok(())
}

fn write(shared: &Shared, path: &Path, text: &str) -> Result<(), String> {
    let found = shared.shown.tree(|t| t.target(path)).flatten();
    let target = found.ok_or_else(|| format!("{}: no writable attribute", path.display()))?;
    shared.kernel.write(target, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// The errors that sysfs attributes answer.
fn errno(name: &str) -> Result<Errno, String> {
    const KNOWN: [Errno; 8] = [
        Errno::EBUSY,
        Errno::EIO,
        Errno::ENODEV,
        Errno::ENXIO,
        Errno::EINVAL,
        Errno::EPERM,
        Errno::EACCES,
        Errno::ETIMEDOUT,
    ];
    let found = KNOWN.into_iter().find(|e| format!("{e:?}") == name);
    found.ok_or_else(|| {
        format!("{name:?} is none of {}", KNOWN.map(|e| format!("{e:?}")).join(", "))
    })
}
