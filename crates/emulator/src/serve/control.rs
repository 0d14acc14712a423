//! One connection to the socket: commands, line by line, and the listener of `exec`.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;

use super::{Shared, listen, status};
use crate::ctl::{Answer, Command, socket};

/// Serves a connection until its end.
pub(super) fn serve(shared: &Arc<Shared>, stream: &UnixStream) {
    socket::serve(stream, |line, descriptor| line_answer(shared, line, descriptor));
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
    if let Some(card) = command.registers_of() {
        let index = card_index(shared, card)?;
        return shared.kernel.update(|host| command.apply(&mut host.slots[index].card));
    }
    match command {
        Command::Remove { card } => on_index(shared, &card, |host, index| host.remove(index)),
        Command::Insert { card } => on_index(shared, &card, |host, index| host.insert(index)),
        Command::Rebind { card } => {
            shared.kernel.rebind(card_index(shared, &card)?);
            Ok(())
        }
        Command::AttributeError { path, error } => deny(shared, &path, error.as_deref()),
        Command::Write { path, text } => write(shared, &path, &text),
        _ => Ok(()),
    }
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
    shared.kernel.write(target, text.as_bytes()).map_err(|e| format!("{}: {e}", path.display()))
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
