//! Modes `region` and `regiondevel`: a device for each reconfigurable slot, or for each whole card,
//! under the interface id that bitstreams must fit. A port under reconfiguration is in order here:
//! programming it is what the device is for.

use fpga::board::{Board, Port};
use fpga::id::InterfaceId;
use fpga::names::ResourceName;

use super::{Candidate, State};
use crate::node::health::Reason;
use crate::plugin::device::Node;

/// The slots of a card. A card of one slot gives all its ports with it; on any other the driver has
/// one slot behind each port, so a tenant never gets the port of its neighbour.
pub(super) fn slots(board: &Board) -> Vec<Candidate> {
    if slot_count(board) <= 1 {
        let id = board.fme.node.name.clone();
        return vec![slot(id, board.ports.iter().collect(), card_interface(board))];
    }
    let own = |port: &Port| {
        let id = format!("{}-port{}", board.fme.node.name, port.id);
        slot(id, vec![port], port_interface(board, port))
    };
    board.ports.iter().map(own).collect()
}

/// The whole card with its management node.
pub(super) fn card(board: &Board) -> Candidate {
    let fme = &board.fme.node;
    let mut nodes = port_nodes(&board.ports.iter().collect::<Vec<_>>());
    nodes.extend(Node::of(fme));
    let state = match fme.number {
        Some(_) => state(card_interface(board)),
        None => State::Unusable("it has no device node"),
    };
    Candidate::new(fme.name.clone(), nodes, state)
}

/// `ports_num` counts the released ports too, which the inventory cannot show; the others are for
/// drivers that lack it.
fn slot_count(board: &Board) -> usize {
    let declared = board.fme.ports_num.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    declared.max(board.regions.len()).max(board.ports.len())
}

fn slot(id: String, ports: Vec<&Port>, interface: Option<InterfaceId>) -> Candidate {
    let nodes = port_nodes(&ports);
    let state =
        if nodes.is_empty() { State::Unusable("it has no port node") } else { state(interface) };
    Candidate::new(id, nodes, state)
}

fn state(interface: Option<InterfaceId>) -> State {
    match interface {
        Some(id) if id.is_crash_marker() => State::Unknown(
            Reason::FirmwareCrashed,
            "its interface id reads as all ones: the firmware crashed",
        ),
        Some(id) => State::Works(ResourceName::region(id)),
        None => State::Unknown(Reason::Unreadable, "its interface id cannot be read"),
    }
}

fn port_nodes(ports: &[&Port]) -> Vec<Node> {
    ports.iter().filter_map(|port| Node::of(&port.node)).collect()
}

fn card_interface(board: &Board) -> Option<InterfaceId> {
    board.regions.iter().find_map(|region| region.interface_id)
}

/// A driver that shows one region for all ports need not say which port it is behind.
fn port_interface(board: &Board, port: &Port) -> Option<InterfaceId> {
    match board.regions.as_slice() {
        [only] => only.interface_id,
        _ => board.interface_id(port),
    }
}
