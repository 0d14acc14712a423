//! Mode `af`: one device for each port, under the function that is loaded behind it.

use fpga::board::{Board, Function, Port};
use fpga::id::{AfuId, InterfaceId};
use fpga::names::{Naming, ResourceName};

use super::{Candidate, State};
use crate::node::health::Reason;
use crate::plugin::device::Node;

pub(super) fn candidates(board: &Board, naming: Naming) -> Vec<Candidate> {
    let candidate = |port: &Port| {
        let nodes = Node::of(&port.node).into_iter().collect();
        Candidate::new(port.node.name.clone(), nodes, state(board, port, naming))
    };
    board.ports.iter().map(candidate).collect()
}

fn state(board: &Board, port: &Port, naming: Naming) -> State {
    match port.function {
        _ if port.node.number.is_none() => State::Unusable("it has no device node"),
        Function::Loaded { afu_id } => loaded(board.interface_id(port), afu_id, naming),
        Function::Busy => State::Unknown(Reason::Reconfiguring, "it is being reconfigured"),
        Function::Crashed => State::Unknown(
            Reason::FirmwareCrashed,
            "its function reads as all ones: the firmware crashed",
        ),
        Function::Unreadable => State::Unknown(Reason::Unreadable, "its function cannot be read"),
        Function::Absent => State::Unusable("no driver shows its function"),
    }
}

fn loaded(interface: Option<InterfaceId>, afu: AfuId, naming: Naming) -> State {
    match (interface, naming) {
        _ if afu.is_crash_marker() => State::Unknown(
            Reason::FirmwareCrashed,
            "its function reads as all ones: the firmware crashed",
        ),
        (Some(id), _) if id.is_crash_marker() => State::Unknown(
            Reason::FirmwareCrashed,
            "its interface id reads as all ones: the firmware crashed",
        ),
        (Some(id), _) => State::Works(ResourceName::af(naming, id, afu)),
        // The plain form leaves the interface out.
        (None, Naming::Plain) => State::Works(ResourceName::af(naming, InterfaceId::new(0), afu)),
        (None, Naming::Encoded) => {
            State::Unknown(Reason::Unreadable, "its interface id cannot be read")
        }
    }
}
