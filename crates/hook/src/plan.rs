//! Which promise goes into which of a container's ports.

use std::fs;

use fpga::bitstream::Bitstream;
use fpga::card::{DeviceNumber, Function};
use fpga::id::{AfuId, InterfaceId};
use fpga::names::Use;
use fpga::program::Target;
use fpga::root::Root;
use fpga::scan::scan;

use crate::failure::{Code, Failure};
use crate::promise::Promise;

/// A port of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The slot.
    pub target: Target,
    /// What the region holds.
    pub(crate) function: Function,
    /// What the container has it for.
    pub(crate) usage: Use,
    /// The device that the container has.
    number: Option<DeviceNumber>,
}

impl Slot {
    /// The slot that a container has for `usage`, as the device `number` where that is known.
    #[must_use]
    pub fn new(target: Target, usage: Use, number: Option<DeviceNumber>) -> Self {
        Self { function: target.function(), target, usage, number }
    }

    /// The port on the host, whose node must be the device that the container has.
    pub(crate) fn checked(&self) -> Result<&Target, Failure> {
        let Self { target, number: Some(number), .. } = self else { return Ok(&self.target) };
        let path = &target.slot.node;
        let node = fs::metadata(path).ok();
        match node.as_ref().and_then(DeviceNumber::of) {
            Some(other) if other != *number => Err(Failure::new(
                Code::Gone,
                format!(
                    "{target}: {} is device {other} and not {number}, which the driver reports and the container has",
                    path.display()
                ),
            )),
            _ => Ok(target),
        }
    }
}

/// A port that is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub(crate) interface: InterfaceId,
    /// What will be seen in the region.
    pub(crate) function: AfuId,
    pub(crate) bitstream: &'a Bitstream,
}

/// How well a port fits a wish, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// It is known to hold the image.
    Image,
    /// It shows the function.
    Function,
    /// The image can be loaded.
    Interface,
}

impl Fit {
    const ALL: [Self; 3] = [Self::Image, Self::Function, Self::Interface];

    fn is(self, wish: &Wish<'_>, slot: &Slot) -> bool {
        let Slot { target, function, .. } = slot;
        target.interface_id == Some(wish.interface)
            && match self {
                Self::Image => target.holds(wish.bitstream, function),
                Self::Function => function.afu_id() == Some(wish.function),
                Self::Interface => true,
            }
    }
}

/// Gives each wish a port of its own; `None` when there is none left.
///
/// Where an image is loaded already the wish for it goes there: no other assignment programs fewer ports, since a
/// port holds one image and wishes for the same one are alike. So the second run for a container assigns as the
/// first did.
pub(crate) fn assign(wishes: &[Wish<'_>], slots: &[Slot]) -> Vec<Option<usize>> {
    // What a single port holds makes no difference.
    let fits = if slots.len() == 1 { &[Fit::Interface][..] } else { &Fit::ALL };
    let mut assigned = vec![None; wishes.len()];
    for fit in fits {
        for (index, wish) in wishes.iter().enumerate() {
            if assigned[index].is_none() {
                let mut slots = slots.iter().enumerate();
                assigned[index] = slots
                    .find(|(slot, found)| !assigned.contains(&Some(*slot)) && fit.is(wish, found))
                    .map(|(slot, _)| slot);
            }
        }
    }
    assigned
}

/// True when the container has a port of the promise's region, whoever else wants it.
pub(crate) fn has_region(promise: &Promise, slots: &[Slot]) -> bool {
    slots.iter().any(|slot| slot.target.interface_id == Some(promise.interface))
}

/// A port that no wish was given.
pub(crate) fn without_promise<'a>(
    assigned: &[Option<usize>],
    slots: &'a [Slot],
) -> Option<&'a Slot> {
    let mut slots = slots.iter().enumerate();
    slots.find_map(|(index, slot)| (!assigned.contains(&Some(index))).then_some(slot))
}

/// That there is no port for a promise.
pub(crate) fn no_slot(root: &Root, promise: &Promise, slots: &[Slot]) -> Failure {
    let Promise { variable, interface, image } = promise;
    let one = |slot: &Slot| {
        let name = &slot.target.slot.name;
        match slot.target.interface_id {
            Some(interface) => format!("{name} of region {interface}"),
            None => format!("{name} of an unknown region"),
        }
    };
    let has = match slots {
        [] => "no FPGA port".to_owned(),
        _ => slots.iter().map(one).collect::<Vec<_>>().join(", "),
    };
    let mut message = format!(
        "{variable} asks for function {image} in a region {interface}, and the container has no port of \
         such a region left for it: it has {has}"
    );
    if let Some(problem) = scan(root).all_problems().next() {
        message = format!("{message}; a device of this node has a problem: {problem}");
    }
    Failure::new(Code::Input, message)
}

/// That there is no promise for a port.
pub(crate) fn no_promise(slot: &Slot) -> Failure {
    Failure::new(
        Code::Input,
        format!(
            "{}: the container has this port, and no function for it was asked for: let the pod request \
             a function that is mapped to a region, or set FPGA_REGION_<n> and FPGA_AFU_<n>",
            slot.target
        ),
    )
}

#[cfg(test)]
mod tests {
    use fpga_emulator::{bitstream_writer as writer, tree};

    use super::*;
    use crate::testing::node::{A10, HELLO, MACHINE, NLB0, NLB3, OTHER};

    /// The slots of these devices.
    fn slots(root: &Root, devices: &[DeviceNumber]) -> Vec<Slot> {
        let slot =
            |&number| Some(Slot::new(Target::find(root, number)?, Use::Region, Some(number)));
        devices.iter().filter_map(slot).collect()
    }

    struct Machine {
        root: Root,
        temp: tempfile::TempDir,
    }

    impl Machine {
        fn new() -> Self {
            let temp = tempfile::tempdir().unwrap();
            let dir = temp.path().join("node");
            tree::create(&fpga_emulator::machine::Machine::parse(MACHINE).unwrap(), &dir).unwrap();
            Self { root: Root::at(dir), temp }
        }

        fn numbers(&self) -> Vec<DeviceNumber> {
            let inventory = scan(&self.root);
            inventory.slots().map(|(_, slot)| slot.nodes[0].number.unwrap()).collect()
        }

        /// A bitstream file that nobody has loaded.
        fn image(&self, (interface, function): &(&str, &str)) -> Bitstream {
            let path = self.temp.path().join("image.gbs");
            let metadata = writer::metadata(interface, function);
            fs::write(&path, writer::gbs(&metadata, b"image")).unwrap();
            Bitstream::open(path).unwrap()
        }

        /// The names of the ports that wishes get, of those with these indices.
        fn assign(&self, ports: &[usize], wishes: &[(&str, &str)]) -> Vec<Option<String>> {
            let numbers: Vec<_> = ports.iter().map(|&index| self.numbers()[index]).collect();
            let slots = slots(&self.root, &numbers);
            let files: Vec<_> = wishes.iter().map(|wish| self.image(wish)).collect();
            let wish = |((interface, function), bitstream)| Wish {
                interface: str::parse(interface).unwrap(),
                function: str::parse(function).unwrap(),
                bitstream,
            };
            let wishes: Vec<_> = wishes.iter().copied().zip(&files).map(wish).collect();
            let name = |index: usize| slots[index].target.slot.name.clone();
            assign(&wishes, &slots).into_iter().map(|index| index.map(name)).collect()
        }
    }

    fn names(numbers: &[usize]) -> Vec<Option<String>> {
        numbers.iter().map(|number| Some(format!("dfl-port.{number}"))).collect()
    }

    #[test]
    fn two_wishes_never_share_a_port() {
        let node = Machine::new();
        assert_eq!(node.assign(&[0, 1], &[(A10, NLB0), (A10, NLB0)]), names(&[0, 1]));
        assert_eq!(node.assign(&[1, 2], &[(A10, NLB3), (A10, NLB3)]), names(&[1, 2]));
        assert_eq!(
            node.assign(&[0], &[(A10, NLB3), (A10, NLB3)]),
            [Some("dfl-port.0".to_owned()), None]
        );
    }

    #[test]
    fn what_is_loaded_stays_where_it_is() {
        let node = Machine::new();
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
        let node = Machine::new();
        assert_eq!(node.assign(&[0, 3], &[(OTHER, NLB0), (A10, NLB0)]), names(&[3, 0]));
        assert_eq!(node.assign(&[0], &[(OTHER, NLB3)]), [None]);
        assert_eq!(node.assign(&[], &[(A10, NLB3)]), [None]);
    }

    #[test]
    fn devices_are_told_by_number() {
        let node = Machine::new();
        let fme = scan(&node.root).cards[0].management.as_ref().unwrap().number.unwrap();
        let null = DeviceNumber { major: 1, minor: 3 };
        assert!(slots(&node.root, &[null, fme]).is_empty(), "neither is a port");
        assert_eq!(slots(&node.root, &node.numbers()).len(), 4);
    }

    #[test]
    fn a_port_is_found_without_the_directory_of_numbers() {
        let node = Machine::new();
        let before = slots(&node.root, &node.numbers());
        fs::remove_dir_all(node.root.sys().join("dev")).unwrap();
        assert_eq!(slots(&node.root, &node.numbers()), before);
    }

    #[test]
    fn a_number_that_no_device_of_the_node_has_is_no_slot() {
        let node = Machine::new();
        let numbers = node.numbers();
        fs::remove_file(node.root.char_device(numbers[1])).unwrap();
        let found = slots(&node.root, &numbers);
        assert_eq!(
            found.iter().filter_map(|slot| slot.number).collect::<Vec<_>>(),
            [numbers[0], numbers[2], numbers[3]]
        );
    }

    #[test]
    fn a_node_that_is_another_device_is_not_touched() {
        let node = Machine::new();
        let slots = slots(&node.root, &node.numbers());
        assert!(slots[0].checked().is_ok(), "the emulator's nodes are plain files");
        let path = node.root.node("dfl-port.0");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        let failure = slots[0].checked().unwrap_err();
        assert_eq!(failure.code, Code::Gone);
        assert!(failure.to_string().contains("is device 1:3 and not"), "{failure}");
    }
}
