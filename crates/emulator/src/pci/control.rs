//! Control commands for cards under a guest.

use std::os::unix::net::UnixStream;

use super::server::Machine;
use crate::ctl::{Answer, CardStatus, Command, PortStatus, Status, socket};

/// Serves a connection until its end.
pub(super) fn serve(machine: &Machine, stream: &UnixStream) {
    socket::serve(stream, |line, _| {
        let result = match serde_json::from_slice(line) {
            Ok(Command::Status) => return Answer::Status(status(machine)),
            Ok(command) => execute(machine, &command),
            Err(e) => Err(format!("not a command: {e}")),
        };
        result.map_or_else(Answer::Error, |()| Answer::Done)
    });
}

fn execute(machine: &Machine, command: &Command) -> Result<(), String> {
    let card = |name: &str| machine.find(name).ok_or_else(|| format!("no card {name:?}"));
    if let Some(name) = command.registers_of() {
        return card(name)?.board.update(|registers| command.apply(registers));
    }
    match command {
        Command::Remove { card: name } => card(name)?.remove(),
        Command::Insert { card: name } => card(name)?.board.insert(),
        Command::Rebind { .. } => return Err(guest("the driver")),
        Command::AttributeError { path, .. } | Command::Write { path, .. } => {
            return Err(guest(&path.display().to_string()));
        }
        Command::Listen => return Err("exec: programs run in the guest, not on the host".into()),
        _ => {}
    }
    Ok(())
}

fn guest(object: &str) -> String {
    format!("{object}: in the guest's kernel, do it there")
}

fn status(machine: &Machine) -> Status {
    let cards = machine.slots.iter().map(|slot| {
        let state = slot.board.state();
        CardStatus {
            name: slot.board.spec.name.clone(),
            pci: slot.board.spec.pci.to_string(),
            present: state.present,
            fme: None,
            ports: state
                .card
                .ports
                .iter()
                .map(|port| PortStatus {
                    node: None,
                    afu_id: port.function().to_string(),
                    disabled: port.in_reset(),
                    mapped: false,
                })
                .collect(),
        }
    });
    Status { root: machine.sockets.clone(), cards: cards.collect() }
}
