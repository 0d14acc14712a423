//! Which promise goes into which of a container's ports.

use std::fs;

use fpga::board::{Board, DeviceNumber, Inventory, Port};
use fpga::id::{AfuId, InterfaceId};
use fpga::program::{Target, port_by_number};
use fpga::root::Root;

use super::failure::{Code, Failure};
use super::promise::Promise;

/// A port of the container.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot<'a> {
    pub(super) board: &'a Board,
    pub(super) port: &'a Port,
    number: DeviceNumber,
}

/// The container's devices that are FPGA ports. What a device is called in the container does not
/// matter, since a pod chooses that.
pub(super) fn slots<'a>(inventory: &'a Inventory, devices: &[DeviceNumber]) -> Vec<Slot<'a>> {
    let slot = |&number: &DeviceNumber| {
        let (board, port) = port_by_number(inventory, number)?;
        Some(Slot { board, port, number })
    };
    devices.iter().filter_map(slot).collect()
}

impl Slot<'_> {
    pub(super) fn interface(&self) -> Option<InterfaceId> {
        self.board.interface_id(self.port)
    }

    /// The port on the host, whose node must be the device that the container has.
    pub(super) fn target(&self, root: &Root) -> Result<Target, Failure> {
        let target = Target::new(root, self.board, self.port);
        let node = fs::metadata(&target.port.node).ok();
        match node.as_ref().and_then(DeviceNumber::of) {
            Some(number) if number != self.number => Err(Failure::new(
                Code::Gone,
                format!(
                    "{target}: {} is device {number} and not {}, which the driver says and the container has",
                    target.port.node.display(),
                    self.number
                ),
            )),
            _ => Ok(target),
        }
    }
}

/// A port that is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) interface: InterfaceId,
    /// What will be seen in the region; `None` when that does not matter.
    pub(super) function: Option<AfuId>,
}

/// Gives each wish a port of its own; `None` when there is none left.
///
/// Where a function is loaded already the wish for it goes there: no other assignment programs fewer
/// ports, since a port shows one function and wishes for the same one are alike.
pub(super) fn assign(wishes: &[Wish], slots: &[Slot<'_>]) -> Vec<Option<usize>> {
    let mut assigned = vec![None; wishes.len()];
    for must_be_loaded in [true, false] {
        for (wish, &Wish { interface, function }) in wishes.iter().enumerate() {
            if assigned[wish].is_none() {
                assigned[wish] = slots.iter().enumerate().position(|(index, slot)| {
                    slot.interface() == Some(interface)
                        && (!must_be_loaded || function.is_some() && slot.port.afu_id() == function)
                        && !assigned.contains(&Some(index))
                });
            }
        }
    }
    assigned
}

/// A port that no wish was given.
pub(super) fn without_promise<'a, 's>(
    assigned: &[Option<usize>],
    slots: &'s [Slot<'a>],
) -> Option<&'s Slot<'a>> {
    let mut slots = slots.iter().enumerate();
    slots.find_map(|(index, slot)| (!assigned.contains(&Some(index))).then_some(slot))
}

/// That there is no port for a promise.
pub(super) fn no_port(promise: &Promise, slots: &[Slot<'_>], inventory: &Inventory) -> Failure {
    let Promise { variable, interface, image } = promise;
    let has: Vec<String> = slots
        .iter()
        .map(|slot| match slot.interface() {
            Some(interface) => format!("{} of region {interface}", slot.port.node.name),
            None => format!("{} of an unknown region", slot.port.node.name),
        })
        .collect();
    let has = if has.is_empty() { "no FPGA port".to_owned() } else { has.join(", ") };
    let mut message = format!(
        "{variable} asks for function {image} in a region {interface}, and the container has no port of \
         such a region left for it: it has {has}"
    );
    if let Some(problem) = inventory.all_problems().next() {
        message = format!("{message}; a device of the node is in trouble: {problem}");
    }
    Failure::new(Code::Input, message)
}

/// That there is no promise for a port.
pub(super) fn no_promise(root: &Root, slot: &Slot<'_>) -> Failure {
    let target = Target::new(root, slot.board, slot.port);
    Failure::new(
        Code::Input,
        format!(
            "{target}: the container has this port, and no function for it was asked for: let the pod request \
             a function that is mapped to a region, or set FPGA_REGION_<n> and FPGA_AFU_<n>"
        ),
    )
}

#[cfg(test)]
mod tests {
    use fpga_emulator::machine::Machine;
    use fpga_emulator::tree;

    use super::*;

    const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
    const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
    const HELLO: &str = "850adcc26ceb4b229722d43375b61c66";
    const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
    const OTHER: &str = "9926ab6d6c925a68aabca7d84c545738";

    /// One port on the first card, two on the second, one of another interface on the third.
    const MACHINE: &str = r#"
[[card]]
kind = "pac-a10"
pci = "0000:3b:00.0"
[[card.port]]
afu = "nlb3"

[[card]]
kind = "pac-a10"
pci = "0000:86:00.0"
[[card.port]]
afu = "hello"
[[card.port]]
afu = "nlb0"

[[card]]
kind = "pac-a10"
pci = "0000:af:00.0"
interface_id = "9926ab6d-6c92-5a68-aabc-a7d84c545738"
[[card.port]]
afu = "nlb0"
"#;

    struct Node {
        inventory: Inventory,
        root: Root,
        _temp: tempfile::TempDir,
    }

    impl Node {
        fn new() -> Self {
            let temp = tempfile::tempdir().unwrap();
            let dir = temp.path().join("node");
            tree::create(&Machine::parse(MACHINE).unwrap(), &dir).unwrap();
            let root = Root::at(dir);
            Self { inventory: fpga::scan::scan(&root), root, _temp: temp }
        }

        fn numbers(&self) -> Vec<DeviceNumber> {
            let ports = self.inventory.boards.iter().flat_map(|board| &board.ports);
            ports.map(|port| port.node.number.unwrap()).collect()
        }

        /// The names of the ports that wishes get, of those with these indices.
        fn assign(&self, ports: &[usize], wishes: &[(&str, &str)]) -> Vec<Option<String>> {
            let numbers: Vec<_> = ports.iter().map(|&index| self.numbers()[index]).collect();
            let slots = slots(&self.inventory, &numbers);
            let wish = |(interface, function): &(&str, &str)| Wish {
                interface: interface.parse().unwrap(),
                function: Some(function.parse().unwrap()),
            };
            let wishes: Vec<_> = wishes.iter().map(wish).collect();
            let name = |index: usize| slots[index].port.node.name.clone();
            assign(&wishes, &slots).into_iter().map(|index| index.map(name)).collect()
        }
    }

    fn names(numbers: &[usize]) -> Vec<Option<String>> {
        numbers.iter().map(|number| Some(format!("dfl-port.{number}"))).collect()
    }

    #[test]
    fn two_wishes_never_share_a_port() {
        let node = Node::new();
        assert_eq!(node.assign(&[0, 1], &[(A10, NLB0), (A10, NLB0)]), names(&[0, 1]));
        assert_eq!(node.assign(&[1, 2], &[(A10, NLB3), (A10, NLB3)]), names(&[1, 2]));
        assert_eq!(
            node.assign(&[0], &[(A10, NLB3), (A10, NLB3)]),
            [Some("dfl-port.0".to_owned()), None]
        );
    }

    #[test]
    fn what_is_loaded_stays_where_it_is() {
        let node = Node::new();
        let all = [0, 1, 2];
        let wishes = [(A10, NLB0), (A10, HELLO), (A10, NLB3)];
        assert_eq!(node.assign(&all, &wishes), names(&[2, 1, 0]));
        // The second wish for what is loaded once gets what is left.
        assert_eq!(node.assign(&[0, 1], &[(A10, NLB3), (A10, NLB3)]), names(&[0, 1]));
        // One that would fit anywhere does not take another's place.
        assert_eq!(node.assign(&[0, 1], &[(A10, NLB0), (A10, NLB3)]), names(&[1, 0]));
    }

    #[test]
    fn interfaces_are_kept_apart() {
        let node = Node::new();
        assert_eq!(node.assign(&[0, 3], &[(OTHER, NLB0), (A10, NLB0)]), names(&[3, 0]));
        assert_eq!(node.assign(&[0], &[(OTHER, NLB3)]), [None]);
        assert_eq!(node.assign(&[], &[(A10, NLB3)]), [None]);
    }

    #[test]
    fn devices_are_told_by_number() {
        let node = Node::new();
        let fme = node.inventory.boards[0].fme.node.number.unwrap();
        let null = DeviceNumber { major: 1, minor: 3 };
        assert!(slots(&node.inventory, &[null, fme]).is_empty(), "neither is a port");
        assert_eq!(slots(&node.inventory, &node.numbers()).len(), 4);
    }

    #[test]
    fn a_node_that_is_another_device_is_not_touched() {
        let node = Node::new();
        let slots = slots(&node.inventory, &node.numbers());
        assert!(slots[0].target(&node.root).is_ok(), "the emulator's nodes are plain files");
        let path = node.root.node("dfl-port.0");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        let failure = slots[0].target(&node.root).unwrap_err();
        assert_eq!(failure.code, Code::Gone);
        assert!(failure.to_string().contains("is device 1:3 and not"), "{failure}");
    }
}
