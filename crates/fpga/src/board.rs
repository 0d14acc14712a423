//! Plain data: what a scan found. Kubernetes words above the driver: a board (the PCIe card) has
//! regions (reconfigurable slots), which hold functions (AFUs).

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use nix::errno::Errno;
use nix::sys::stat;
use serde::Serialize;

mod hex;
mod models;

pub use models::model;

use crate::id::{AfuId, InterfaceId, ParseIdError, PciAddress};
use crate::sysfs::AttrError;

/// Everything found on a node, in a stable order: boards by PCI address, ports by number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// Driver flavours whose class directory exists; empty when no driver is loaded.
    pub drivers: Vec<Driver>,
    /// The cards that have a management engine (FME).
    pub boards: Vec<Board>,
    /// Objects that belong to no board: a half-gone card, a VF port without its physical function.
    pub problems: Vec<Problem>,
}

/// Which kernel interface a board is reached through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// In-tree: `drivers/fpga/dfl*.c`, nodes `dfl-fme.N` and `dfl-port.N`.
    Dfl,
    /// Intel's out-of-tree driver: nodes `intel-fpga-fme.N` and `intel-fpga-port.N`.
    Opae,
}

/// One card: an FPGA management engine, its regions and its ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Board {
    /// The driver that is bound to it, by its kernel interface.
    pub driver: Driver,
    /// The physical function that the card sits on.
    pub pci: PciFunction,
    /// Product name from the board table, if the PCI ids are in it.
    pub model: Option<&'static str>,
    /// The management engine.
    pub fme: Fme,
    /// Reconfigurable slots, in the driver's order.
    pub regions: Vec<Region>,
    /// User-visible ports, on the physical function or on virtual ones, ordered by port id.
    pub ports: Vec<Port>,
    /// What could not be read on this board; it does not hide the rest.
    pub problems: Vec<Problem>,
}

/// Attributes of a PCI function (`Documentation/ABI/testing/sysfs-bus-pci`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PciFunction {
    /// Address on the node.
    pub address: PciAddress,
    /// PCI vendor id.
    #[serde(serialize_with = "hex::id")]
    pub vendor: u16,
    /// PCI device id.
    #[serde(serialize_with = "hex::id")]
    pub device: u16,
    /// Subsystem vendor id.
    #[serde(serialize_with = "hex::id")]
    pub subsystem_vendor: u16,
    /// Subsystem device id.
    #[serde(serialize_with = "hex::id")]
    pub subsystem_device: u16,
    /// 24-bit class code; 0x120000 is a processing accelerator.
    #[serde(serialize_with = "hex::class")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceNode {
    /// Name, such as `dfl-port.0`.
    pub name: String,
    /// Major number; `None` when the `dev` attribute is missing.
    pub number: Option<DeviceNumber>,
}

/// Major and minor number of a device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct DeviceNumber {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// The FPGA management engine of a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fme {
    /// Management node; never given to a container outside `regiondevel` mode.
    pub node: DeviceNode,
    /// Ports that the card has, assigned or not (`ports_num`).
    pub ports_num: Option<u32>,
    /// Static-region id (`bitstream_id`).
    #[serde(serialize_with = "hex::optional")]
    pub bitstream_id: Option<u64>,
    /// Static-region build data (`bitstream_metadata`).
    #[serde(serialize_with = "hex::optional")]
    pub bitstream_metadata: Option<u64>,
    /// CPU socket of an integrated FPGA.
    pub socket_id: Option<u32>,
    /// Error registers below `errors/` that are not zero, by attribute name.
    pub errors: Vec<ErrorRegister>,
}

/// A reconfigurable slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Region {
    /// The driver's name of it: `dfl-fme-region.N`, or the FME's name with the OPAE driver.
    pub name: String,
    /// Which bitstreams fit; `None` when the driver does not tell. All ones when the firmware crashed
    /// or the link is down ([`InterfaceId::is_crash_marker`]).
    pub interface_id: Option<InterfaceId>,
}

/// A port: where user space reaches what is loaded in a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Port {
    /// The node that a container is given.
    pub node: DeviceNode,
    /// Number of the port on its card (`id`), the one that programming names.
    pub id: u32,
    /// The PCI function it is on: the card's own, or a virtual one.
    pub pci: PciAddress,
    /// True on an SR-IOV virtual function.
    pub is_virtual: bool,
    /// Index into [`Board::regions`] of the slot behind this port.
    pub region: Option<usize>,
    /// What is loaded.
    pub function: Function,
    /// Error registers below `errors/` that are not zero, by attribute name.
    pub errors: Vec<ErrorRegister>,
}

/// What is loaded behind a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Function {
    /// An accelerator function.
    Loaded {
        /// The AFU id that the port shows.
        afu_id: AfuId,
    },
    /// Being reconfigured, or left disabled by a failed reconfiguration: the kernel answers EBUSY.
    Busy,
    /// All ones: the firmware crashed or the link is down.
    Crashed,
    /// No `afu_id` attribute, since no driver is bound to the port.
    Absent,
    /// The driver is bound to the port and has no `afu_id` for it: the card's design has no function behind the port, as
    /// with OFS, whose functions are on PCI functions of their own. What is loaded cannot be told.
    Anonymous,
    /// Reading `afu_id` failed otherwise; the reason is among the board's problems.
    Unreadable,
}

/// An error register that is not zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorRegister {
    /// Attribute name below `errors/`, such as `catfatal_errors` or `fme-errors/errors`.
    pub name: String,
    /// The bits of the register; not zero.
    #[serde(serialize_with = "hex::register")]
    pub value: u64,
}

/// One object that could not be read, by itself; the rest of the inventory stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The object: a device name, a PCI address or a path.
    pub object: String,
    /// What is wrong, in one line.
    pub message: String,
}

impl Inventory {
    /// Every problem, the boards' own after those of no board.
    pub fn all_problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().chain(self.boards.iter().flat_map(|board| &board.problems))
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

impl Fme {
    /// An engine of which only the node's name is known.
    pub(crate) fn unread(node: DeviceNode) -> Self {
        Self {
            node,
            ports_num: None,
            bitstream_id: None,
            bitstream_metadata: None,
            socket_id: None,
            errors: Vec::new(),
        }
    }
}

impl Function {
    /// What an `afu_id` attribute says. The kernel answers EBUSY while the port is disabled, as it is during
    /// a reconfiguration and after a failed one (`afu_id_show` in dfl-afu-main.c). Where there is no such attribute,
    /// `is_driven` says whether a driver is bound to the port (`port_afu_attrs_visible` in the same file).
    ///
    /// # Errors
    /// It does not say; the function is [`Function::Unreadable`] for this reason.
    pub(crate) fn of_attribute(
        attribute: Result<Option<String>, AttrError>,
        is_driven: impl FnOnce() -> bool,
    ) -> Result<Self, FunctionError> {
        let text = match attribute {
            Ok(Some(text)) => text,
            Ok(None) if is_driven() => return Ok(Self::Anonymous),
            Ok(None) => return Ok(Self::Absent),
            Err(AttrError::Os(Errno::EBUSY)) => return Ok(Self::Busy),
            Err(error) => return Err(error.into()),
        };
        Ok(match text.parse::<AfuId>()? {
            id if id.is_crash_marker() => Self::Crashed,
            afu_id => Self::Loaded { afu_id },
        })
    }

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

/// Why an `afu_id` attribute does not say what is loaded.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) enum FunctionError {
    Attribute(#[from] AttrError),
    Malformed(#[from] ParseIdError),
}

impl Port {
    /// The id of the function, where one is loaded.
    #[must_use]
    pub const fn afu_id(&self) -> Option<AfuId> {
        self.function.afu_id()
    }
}

impl Board {
    /// Interface id of the region behind `port`.
    #[must_use]
    pub fn interface_id(&self, port: &Port) -> Option<InterfaceId> {
        self.regions.get(port.region?)?.interface_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_and_ids_are_hexadecimal_text_for_scripts() {
        let pci = PciFunction {
            vendor: 0x8086,
            device: 0x9c4,
            class: 0x12_0000,
            ..PciFunction::unread("0000:5e:00.0".parse().unwrap())
        };
        let json = serde_json::to_value(&pci).unwrap();
        assert_eq!(
            (&json["address"], &json["vendor"], &json["device"], &json["class"]),
            (&"0000:5e:00.0".into(), &"0x8086".into(), &"0x09c4".into(), &"0x120000".into())
        );

        let node = DeviceNode { name: "dfl-fme.0".to_owned(), number: None };
        let fme = Fme { bitstream_id: Some(u64::MAX), ..Fme::unread(node) };
        let json = serde_json::to_value(&fme).unwrap();
        assert_eq!(json["bitstream_id"], "0xffffffffffffffff");
        assert_eq!(json["bitstream_metadata"], serde_json::Value::Null);
    }

    #[test]
    fn the_number_of_a_device_is_its_nodes() {
        let number = |path: &str| DeviceNumber::of(&std::fs::metadata(path).unwrap());
        assert_eq!(number("/dev/null"), Some(DeviceNumber { major: 1, minor: 3 }));
        assert_eq!(number("/dev"), None);
    }

    #[test]
    fn the_state_of_a_function_is_a_word() {
        let json = |function| serde_json::to_value(function).unwrap();
        assert_eq!(json(Function::Busy), serde_json::json!({"state": "busy"}));
        let loaded = json(Function::Loaded { afu_id: AfuId::new(1) });
        assert_eq!(loaded, serde_json::json!({"state": "loaded", "afu_id": format!("{:032x}", 1)}));
        let loaded = Function::Loaded { afu_id: AfuId::new(1) };
        for function in [
            loaded,
            Function::Busy,
            Function::Crashed,
            Function::Absent,
            Function::Anonymous,
            Function::Unreadable,
        ] {
            assert_eq!(json(function.clone())["state"], function.word());
            assert_eq!(function.afu_id().is_some(), function.word() == "loaded");
        }
    }

    #[test]
    fn problems_of_no_board_come_first() {
        let problem = |object: &str| Problem::new(object, "wrong");
        let address = "0000:5e:00.0".parse().unwrap();
        let board = Board {
            driver: Driver::Dfl,
            pci: PciFunction::unread(address),
            model: None,
            fme: Fme::unread(DeviceNode { name: "dfl-fme.0".to_owned(), number: None }),
            regions: Vec::new(),
            ports: Vec::new(),
            problems: vec![problem("dfl-port.0")],
        };
        let inventory = Inventory {
            drivers: vec![Driver::Dfl],
            boards: vec![board],
            problems: vec![problem("region7")],
        };
        let texts: Vec<_> = inventory.all_problems().map(ToString::to_string).collect();
        assert_eq!(texts, ["region7: wrong", "dfl-port.0: wrong"]);
    }
}
