//! From a snapshot to what the node has to give: one [`Unit`] for each slot of each card, whatever its driver and
//! whatever it will be called. A pure function.
//!
//! A unit that nobody can use now stays a unit, with the reason: whoever offers it decides what to say about it.

use std::sync::Arc;

use fpga::board::{Board, DeviceNode, DeviceNumber, Function, Port};
use fpga::id::{AfuId, InterfaceId, PciAddress};

use super::health::Reason;
use super::inventory::Snapshot;

/// Why a unit is unhealthy whose port reads as busy and is not being reconfigured.
const DISABLED: &str = "the last programming failed: run `fpgactl recover`";

/// Of a port that lost its driver.
const NO_DRIVER: &str = "no driver shows its function";
/// Of a port whose function nobody can tell, before or after it was programmed.
const ANONYMOUS: &str = "its port shows no function id, as with OFS";

/// A slot of a card. Together with its card's address, the slot's number says which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// The card that it is on.
    pub card: Arc<Card>,
    /// Number of the slot on its card; `None` on a card that has one.
    pub slot: Option<u32>,
    /// Nodes through which programs use it. Empty while the host shows none, as after the release of a port.
    pub nodes: Vec<DeviceNode>,
    /// The interface that images for it must fit.
    pub interface: Result<InterfaceId, Unclear>,
    /// The function that is loaded.
    pub function: Result<AfuId, Unclear>,
    /// What keeps everybody from using it.
    pub ailment: Option<Ailment>,
}

/// A card, as far as its units have it in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Card {
    pub address: PciAddress,
    /// NUMA node; `None` when the platform does not say.
    pub numa_node: Option<u32>,
    /// The node by which the card is managed. Its name identifies the card on this node.
    pub management: DeviceNode,
    /// The interface that images for the card must fit, of its first slot that says so.
    pub interface: Result<InterfaceId, Unclear>,
}

/// Why the function or interface of a unit is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unclear {
    /// It cannot be read now.
    Now(Reason, &'static str),
    /// There is nothing to read.
    Never(&'static str),
}

/// What is wrong with a unit: the worst reason, and the words for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ailment {
    pub reason: Reason,
    /// A few words for each, in one line.
    pub words: Vec<String>,
}

/// A device node that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Name below `/dev`.
    pub name: String,
    /// What the kernel knows it by.
    pub number: DeviceNumber,
}

/// The units of a node: cards by PCI address, a card's slots by port number. Every card has at least one.
#[must_use]
pub(crate) fn units(snapshot: &Snapshot) -> Vec<Unit> {
    let mut boards: Vec<&Board> = snapshot.inventory.boards.iter().collect();
    boards.sort_by_key(|board| board.pci.address);
    boards.into_iter().flat_map(|board| of_board(snapshot, board)).collect()
}

/// A card of one slot gives all its ports with it; on any other the driver has one slot behind each port, so a
/// tenant never gets the port of its neighbour.
fn of_board(snapshot: &Snapshot, board: &Board) -> Vec<Unit> {
    let card = Arc::new(Card {
        address: board.pci.address,
        numa_node: board.pci.numa_node,
        management: board.fme.node.clone(),
        interface: interface(board.regions.iter().find_map(|region| region.interface_id)),
    });
    let is_only = slot_count(board) <= 1;
    let unit = |port: &Port| Unit {
        slot: (!is_only).then_some(port.id),
        nodes: vec![port.node.clone()],
        interface: if is_only { card.interface } else { interface(port_interface(board, port)) },
        function: function(&port.function),
        ailment: ailment(snapshot, board, Some(port)),
        card: Arc::clone(&card),
    };
    if board.ports.is_empty() {
        let interface = card.interface;
        let function = Err(Unclear::Never("it has no port node"));
        let ailment = ailment(snapshot, board, None);
        return vec![Unit { card, slot: None, nodes: Vec::new(), interface, function, ailment }];
    }
    board.ports.iter().map(unit).collect()
}

/// `ports_num` counts the released ports too, which the inventory cannot show; the others are for
/// drivers that lack it.
fn slot_count(board: &Board) -> usize {
    let declared = board.fme.ports_num.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    declared.max(board.regions.len()).max(board.ports.len())
}

/// A driver that shows one region for all ports need not say which port it is behind.
fn port_interface(board: &Board, port: &Port) -> Option<InterfaceId> {
    match board.regions.as_slice() {
        [only] => only.interface_id,
        _ => board.interface_id(port),
    }
}

fn interface(id: Option<InterfaceId>) -> Result<InterfaceId, Unclear> {
    match id {
        Some(id) if id.is_crash_marker() => Err(Unclear::Now(
            Reason::FirmwareCrashed,
            "its interface id reads as all ones: the firmware crashed",
        )),
        Some(id) => Ok(id),
        None => Err(Unclear::Now(Reason::Unreadable, "its interface id cannot be read")),
    }
}

fn function(function: &Function) -> Result<AfuId, Unclear> {
    let (reason, message) = match *function {
        Function::Loaded { afu_id } if !afu_id.is_crash_marker() => return Ok(afu_id),
        Function::Loaded { .. } | Function::Crashed => {
            let message = "its function reads as all ones: the firmware crashed";
            (Reason::FirmwareCrashed, message)
        }
        Function::Busy => (Reason::Reconfiguring, "it is being reconfigured"),
        Function::Unreadable => (Reason::Unreadable, "its function cannot be read"),
        Function::Absent => (Reason::Unreadable, NO_DRIVER),
        Function::Anonymous => return Err(Unclear::Never(ANONYMOUS)),
    };
    Err(Unclear::Now(reason, message))
}

fn ailment(snapshot: &Snapshot, board: &Board, port: Option<&Port>) -> Option<Ailment> {
    let name = port.map(|port| port.node.name.as_str());
    if name.is_some_and(|name| snapshot.disabled.contains(name)) {
        return Some(Ailment::new(Reason::ProgrammingFailed, DISABLED));
    }
    let is_driverless = port.is_some_and(|port| port.function == Function::Absent);
    let driverless = is_driverless.then(|| Ailment::new(Reason::Unreadable, NO_DRIVER));
    let conditions = snapshot
        .conditions
        .iter()
        .filter(|condition| condition.unhealthy && condition.affects(board.pci.address, name));
    let each = conditions.map(|condition| Ailment::new(condition.reason, &condition.message));
    driverless.into_iter().chain(each).reduce(Ailment::and)
}

impl Node {
    /// The node, if the kernel has one.
    #[must_use]
    pub(crate) fn of(node: &DeviceNode) -> Option<Self> {
        node.number.map(|number| Self { name: node.name.clone(), number })
    }
}

impl Ailment {
    /// One thing that is wrong.
    #[must_use]
    pub(crate) fn new(reason: Reason, words: &str) -> Self {
        Self { reason, words: vec![words.to_owned()] }
    }

    /// Both, each thing once.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.reason = self.reason.min(other.reason);
        for words in other.words {
            if !self.words.contains(&words) {
                self.words.push(words);
            }
        }
        self
    }
}
