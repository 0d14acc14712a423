//! Plain data: what a scan found, whatever the driver. A card has slots, which are what can be given away; a
//! slot has nodes to use it by and, where its function can be replaced, a region to load images into.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use nix::errno::Errno;
use nix::sys::stat;

mod vitals;

pub use vitals::{PowerState, SlotVitals, Temperature, Vitals};

use crate::errors::ErrorRegister;
use crate::id::{AfuId, CardId, DeviceId, InterfaceId, PciAddress};

/// Everything found on a node, in a stable order: cards by id, slots by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Drivers that are loaded, whether they have a card or not.
    pub drivers: Vec<Driver>,
    /// The cards.
    pub cards: Vec<Card>,
    /// Objects that belong to no card: a half-gone one, a virtual function without its physical one.
    pub problems: Vec<Problem>,
}

/// Which kernel interface a card is reached through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Driver {
    /// In-tree: `drivers/fpga/dfl*.c`.
    Dfl,
    /// Intel's out-of-tree driver.
    Opae,
}

/// One card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Which one: the same as long as it stays where it is plugged in.
    pub id: CardId,
    /// What the driver calls it now, such as `dfl-fme.0`: another name after the driver was bound again.
    pub name: String,
    /// The driver that is bound to it, by its kernel interface.
    pub driver: Driver,
    /// The physical function that it sits on; `None` for one that is not on a PCI bus.
    pub pci: Option<PciFunction>,
    /// Product name from the table of cards, if the PCI ids are in it.
    pub model: Option<&'static str>,
    /// The node that programs it and is its lock; never given to a container outside `regiondevel` mode.
    pub management: Option<DeviceNode>,
    /// Slots that it has, seen or not, where the driver says so.
    pub slots_num: Option<u32>,
    /// Id of what is not reconfigured (`bitstream_id`).
    pub bitstream_id: Option<u64>,
    /// Build data of what is not reconfigured (`bitstream_metadata`).
    pub bitstream_metadata: Option<u64>,
    /// CPU socket of an integrated FPGA.
    pub socket_id: Option<u32>,
    /// Error registers of the card as a whole that are not zero.
    pub errors: Vec<ErrorRegister>,
    /// What images are loaded into, in the driver's order.
    pub regions: Vec<Region>,
    /// What can be given away, on the physical function or on virtual ones, by number.
    pub slots: Vec<Slot>,
    /// What could not be read of it; it does not hide the rest.
    pub problems: Vec<Problem>,
}

/// Attributes of a PCI function (`Documentation/ABI/testing/sysfs-bus-pci`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PciFunction {
    /// Address on the node.
    pub address: PciAddress,
    /// PCI vendor id.
    pub vendor: u16,
    /// PCI device id.
    pub device: u16,
    /// Subsystem vendor id.
    pub subsystem_vendor: u16,
    /// Subsystem device id.
    pub subsystem_device: u16,
    /// 24-bit class code; 0x120000 is a processing accelerator.
    pub class: u32,
    /// NUMA node; `None` when the platform does not say (-1 in sysfs).
    pub numa_node: Option<u32>,
    /// CPUs near the card, as a list such as `0-15,32-47`.
    pub local_cpus: String,
    /// Virtual functions that are enabled.
    pub sriov_numvfs: u32,
    /// Virtual functions that can be enabled.
    pub sriov_totalvfs: u32,
}

/// A character device: its name below `/dev` and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNode {
    /// Name, such as `dfl-port.0`.
    pub name: String,
    /// Major and minor number; `None` when the kernel does not tell.
    pub number: Option<DeviceNumber>,
}

/// Major and minor number of a device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceNumber {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// What images are loaded into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// The driver's name of it.
    pub name: String,
    /// Which images fit; `None` when the driver does not tell. All ones when the firmware crashed or the link
    /// is down ([`InterfaceId::is_crash_marker`]).
    pub interface_id: Option<InterfaceId>,
}

/// What can be given away: the smallest part of a card that one container can have to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// What the driver calls it now, such as `dfl-port.0`; the device plugin's id of it in `af` mode.
    pub name: String,
    /// The device plugin's and CDI's name of it where a container gets the region.
    pub region_name: String,
    /// Its number on the card, the one that programming names.
    pub number: u32,
    /// The nodes that a container is given.
    pub nodes: Vec<DeviceNode>,
    /// The PCI function it is on: the card's own, or a virtual one.
    pub pci: Option<PciAddress>,
    /// True on an SR-IOV virtual function.
    pub is_virtual: bool,
    /// Index into [`Card::regions`] of what its function is loaded into.
    pub region: Option<usize>,
    /// What is loaded.
    pub function: Function,
    /// Error registers that are not zero.
    pub errors: Vec<ErrorRegister>,
}

/// What is loaded in a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Function {
    /// An accelerator function.
    Loaded {
        /// The AFU id that the slot shows.
        afu_id: AfuId,
    },
    /// Being reconfigured, or left disabled by a failed reconfiguration: the kernel answers EBUSY.
    Busy,
    /// All ones: the firmware crashed or the link is down.
    Crashed,
    /// No driver is bound to the slot.
    Absent,
    /// A driver is bound to the slot and shows no id: the card's design has no function behind it, as with OFS,
    /// whose functions are on PCI functions of their own. What is loaded cannot be told.
    Anonymous,
    /// Reading it failed otherwise; the reason is among the card's problems.
    Unreadable,
}

/// One object that could not be read; the rest of the inventory stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The object: a device name, a PCI address or a path.
    pub object: String,
    /// What is wrong, in one line.
    pub message: String,
}

impl Inventory {
    /// Every problem, the cards' own after those of no card.
    pub fn all_problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().chain(self.cards.iter().flat_map(|card| &card.problems))
    }

    /// What the device plugin or CDI calls `name`.
    #[must_use]
    pub fn device(&self, name: &str) -> Option<DeviceId> {
        let is_slot = |(_, slot): &(&Card, &Slot)| slot.name == name || slot.region_name == name;
        let slot = self.slots().find(is_slot).map(|(card, slot)| (card, Some(slot.number)));
        let card = || self.cards.iter().find(|card| card.name == name).map(|card| (card, None));
        let (card, slot) = slot.or_else(card)?;
        Some(DeviceId { card: card.id, slot })
    }

    /// Every slot, with its card.
    pub fn slots(&self) -> impl Iterator<Item = (&Card, &Slot)> {
        self.cards.iter().flat_map(|card| card.slots.iter().map(move |slot| (card, slot)))
    }
}

impl Driver {
    /// As users read it: `dfl` or `opae`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dfl => "dfl",
            Self::Opae => "opae",
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl DeviceNumber {
    /// The number of a character device; `None` for any other file.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Option<Self> {
        metadata.file_type().is_char_device().then(|| {
            let number = metadata.rdev();
            let (major, minor) = (stat::major(number), stat::minor(number));
            // The kernel has 12 bits of the one and 20 of the other.
            Some(Self { major: major.try_into().ok()?, minor: minor.try_into().ok()? })
        })?
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

impl Problem {
    pub(crate) fn new(object: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self { object: object.to_string(), message: message.to_string() }
    }

    /// True when it is no fault of the object: this user may not read it, and root may.
    #[must_use]
    pub fn is_of_permission(&self) -> bool {
        [Errno::EACCES, Errno::EPERM].iter().any(|error| self.message.ends_with(error.desc()))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.message)
    }
}

impl PciFunction {
    /// A function of which only the address is known.
    pub(crate) fn unread(address: PciAddress) -> Self {
        Self {
            address,
            vendor: 0,
            device: 0,
            subsystem_vendor: 0,
            subsystem_device: 0,
            class: 0,
            numa_node: None,
            local_cpus: String::new(),
            sriov_numvfs: 0,
            sriov_totalvfs: 0,
        }
    }
}

impl Function {
    /// The id of the function, where one is loaded.
    #[must_use]
    pub const fn afu_id(&self) -> Option<AfuId> {
        match *self {
            Self::Loaded { afu_id } => Some(afu_id),
            _ => None,
        }
    }

    /// The state in one word, the same as in JSON: `loaded`, `busy`, `crashed`, `absent`,
    /// `anonymous` or `unreadable`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Loaded { .. } => "loaded",
            Self::Busy => "busy",
            Self::Crashed => "crashed",
            Self::Absent => "absent",
            Self::Anonymous => "anonymous",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What was found in a region, as a message puts it after "found".
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loaded { afu_id } => afu_id.fmt(f),
            Self::Busy => f.write_str("the region disabled"),
            Self::Crashed => f.write_str("a function that does not answer (all ones)"),
            Self::Absent => f.write_str("no driver"),
            Self::Anonymous => f.write_str("a function that shows no id"),
            Self::Unreadable => f.write_str("an unreadable function"),
        }
    }
}

impl Slot {
    /// The id of the function, where one is loaded.
    #[must_use]
    pub const fn afu_id(&self) -> Option<AfuId> {
        self.function.afu_id()
    }
}

impl Card {
    /// Interface id of the region of `slot`.
    #[must_use]
    pub fn interface_id(&self, slot: &Slot) -> Option<InterfaceId> {
        self.regions.get(slot.region?)?.interface_id
    }

    /// Every node: the management node first, then the slots'.
    pub fn nodes(&self) -> impl Iterator<Item = &DeviceNode> {
        self.management.iter().chain(self.slots.iter().flat_map(|slot| &slot.nodes))
    }

    /// NUMA node of the card; `None` when the platform does not say.
    #[must_use]
    pub fn numa_node(&self) -> Option<u32> {
        self.pci.as_ref()?.numa_node
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_device_is_its_nodes() {
        let number = |path: &str| DeviceNumber::of(&std::fs::metadata(path).unwrap());
        assert_eq!(number("/dev/null"), Some(DeviceNumber { major: 1, minor: 3 }));
        assert_eq!(number("/dev"), None);
    }

    #[test]
    fn problems_of_no_card_come_first() {
        let problem = |object: &str| Problem::new(object, "wrong");
        let card = Card { problems: vec![problem("dfl-port.0")], ..card() };
        let inventory = Inventory {
            drivers: vec![Driver::Dfl],
            cards: vec![card],
            problems: vec![problem("region7")],
        };
        let texts: Vec<_> = inventory.all_problems().map(ToString::to_string).collect();
        assert_eq!(texts, ["region7: wrong", "dfl-port.0: wrong"]);
    }

    #[test]
    fn a_devices_names_lead_to_its_id() {
        let slot = |number: u32| Slot {
            name: format!("dfl-port.{number}"),
            region_name: format!("dfl-fme.0-port{number}"),
            number,
            nodes: Vec::new(),
            pci: None,
            is_virtual: false,
            region: None,
            function: Function::Absent,
            errors: Vec::new(),
        };
        let card = Card { slots: vec![slot(0), slot(1)], ..card() };
        let id = |slot| Some(DeviceId { card: card.id, slot });
        let inventory = Inventory { cards: vec![card.clone()], ..Inventory::default() };
        for (name, expected) in [
            ("dfl-port.1", id(Some(1))),
            ("dfl-fme.0-port1", id(Some(1))),
            ("dfl-fme.0", id(None)),
            ("dfl-fme.1", None),
        ] {
            assert_eq!(inventory.device(name), expected, "{name}");
        }
        // A card of one slot: the region has the card's name.
        let only = Slot { region_name: "dfl-fme.0".to_owned(), ..slot(3) };
        let inventory =
            Inventory { cards: vec![Card { slots: vec![only], ..card }], ..Inventory::default() };
        assert_eq!(inventory.device("dfl-fme.0"), id(Some(3)));
    }

    fn card() -> Card {
        let address: PciAddress = "0000:5e:00.0".parse().unwrap();
        Card {
            id: address.into(),
            name: "dfl-fme.0".to_owned(),
            driver: Driver::Dfl,
            pci: None,
            model: None,
            management: None,
            slots_num: None,
            bitstream_id: None,
            bitstream_metadata: None,
            socket_id: None,
            errors: Vec::new(),
            regions: Vec::new(),
            slots: Vec::new(),
            problems: Vec::new(),
        }
    }
}
