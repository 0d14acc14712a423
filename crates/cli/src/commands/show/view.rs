//! What `fpgactl show -o json` prints. Scripts read it, so that its names and shapes stay when the library's
//! types change.

use fpga::card::{self, Card, DeviceNode, PciFunction, Region, Slot};
use fpga::errors::ErrorRegister;
use fpga::id::{AfuId, InterfaceId, PciAddress};
use serde::Serialize;

use super::hex;

/// Everything found on a node.
#[derive(Serialize)]
pub(super) struct Inventory<'a> {
    drivers: Vec<&'static str>,
    boards: Vec<Board<'a>>,
    problems: Vec<Problem<'a>>,
}

#[derive(Serialize)]
struct Board<'a> {
    driver: &'static str,
    pci: Option<Pci<'a>>,
    model: Option<&'static str>,
    fme: Fme<'a>,
    regions: Vec<RegionView<'a>>,
    ports: Vec<Port<'a>>,
    problems: Vec<Problem<'a>>,
}

#[derive(Serialize)]
struct Pci<'a> {
    address: PciAddress,
    #[serde(serialize_with = "hex::id")]
    vendor: u16,
    #[serde(serialize_with = "hex::id")]
    device: u16,
    #[serde(serialize_with = "hex::id")]
    subsystem_vendor: u16,
    #[serde(serialize_with = "hex::id")]
    subsystem_device: u16,
    #[serde(serialize_with = "hex::class")]
    class: u32,
    numa_node: Option<u32>,
    local_cpus: &'a str,
    sriov_numvfs: u32,
    sriov_totalvfs: u32,
}

#[derive(Serialize)]
struct Fme<'a> {
    node: Node<'a>,
    ports_num: Option<u32>,
    #[serde(serialize_with = "hex::optional")]
    bitstream_id: Option<u64>,
    #[serde(serialize_with = "hex::optional")]
    bitstream_metadata: Option<u64>,
    socket_id: Option<u32>,
    errors: Vec<Register<'a>>,
}

#[derive(Serialize)]
struct Node<'a> {
    name: &'a str,
    number: Option<Number>,
}

#[derive(Serialize)]
struct Number {
    major: u32,
    minor: u32,
}

#[derive(Serialize)]
struct RegionView<'a> {
    name: &'a str,
    interface_id: Option<InterfaceId>,
}

#[derive(Serialize)]
struct Port<'a> {
    node: Node<'a>,
    id: u32,
    pci: Option<PciAddress>,
    is_virtual: bool,
    region: Option<usize>,
    function: Function,
    errors: Vec<Register<'a>>,
}

#[derive(Serialize)]
struct Function {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    afu_id: Option<AfuId>,
}

#[derive(Serialize)]
struct Register<'a> {
    name: &'a str,
    #[serde(serialize_with = "hex::register")]
    value: u64,
}

#[derive(Serialize)]
struct Problem<'a> {
    object: &'a str,
    message: &'a str,
}

impl<'a> Inventory<'a> {
    pub(super) fn new(inventory: &'a card::Inventory) -> Self {
        Self {
            drivers: inventory.drivers.iter().map(|driver| driver.as_str()).collect(),
            boards: inventory.cards.iter().map(board).collect(),
            problems: problems(&inventory.problems),
        }
    }
}

fn board(card: &Card) -> Board<'_> {
    Board {
        driver: card.driver.as_str(),
        pci: card.pci.as_ref().map(pci),
        model: card.model,
        fme: Fme {
            node: node(&card.name, card.management.as_ref()),
            ports_num: card.slots_num,
            bitstream_id: card.bitstream_id,
            bitstream_metadata: card.bitstream_metadata,
            socket_id: card.socket_id,
            errors: registers(&card.errors),
        },
        regions: card.regions.iter().map(region).collect(),
        ports: card.slots.iter().map(port).collect(),
        problems: problems(&card.problems),
    }
}

fn pci(pci: &PciFunction) -> Pci<'_> {
    Pci {
        address: pci.address,
        vendor: pci.vendor,
        device: pci.device,
        subsystem_vendor: pci.subsystem_vendor,
        subsystem_device: pci.subsystem_device,
        class: pci.class,
        numa_node: pci.numa_node,
        local_cpus: &pci.local_cpus,
        sriov_numvfs: pci.sriov_numvfs,
        sriov_totalvfs: pci.sriov_totalvfs,
    }
}

fn node<'a>(name: &'a str, node: Option<&DeviceNode>) -> Node<'a> {
    let number = node.and_then(|node| node.number);
    Node { name, number: number.map(|it| Number { major: it.major, minor: it.minor }) }
}

fn region(region: &Region) -> RegionView<'_> {
    RegionView { name: &region.name, interface_id: region.interface_id }
}

fn port(slot: &Slot) -> Port<'_> {
    Port {
        node: node(&slot.name, slot.nodes.first()),
        id: slot.number,
        pci: slot.pci,
        is_virtual: slot.is_virtual,
        region: slot.region,
        function: Function { state: slot.function.word(), afu_id: slot.afu_id() },
        errors: registers(&slot.errors),
    }
}

fn registers(errors: &[ErrorRegister]) -> Vec<Register<'_>> {
    errors.iter().map(|it| Register { name: &it.name, value: it.value }).collect()
}

fn problems(problems: &[card::Problem]) -> Vec<Problem<'_>> {
    problems.iter().map(|it| Problem { object: &it.object, message: &it.message }).collect()
}

#[cfg(test)]
mod tests {
    use fpga::card::Driver;
    use fpga::card::Function::{Absent, Anonymous, Busy, Crashed, Loaded, Unreadable};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_names_and_shapes_stay() {
        let address: PciAddress = "0000:5e:00.0".parse().unwrap();
        let number = Some(card::DeviceNumber { major: 236, minor: 3 });
        let slot = |function| Slot {
            name: "dfl-port.3".to_owned(),
            region_name: "dfl-fme.0".to_owned(),
            number: 0,
            nodes: vec![DeviceNode { name: "dfl-port.3".to_owned(), number }],
            pci: Some(address),
            is_virtual: false,
            region: Some(0),
            function,
            errors: vec![ErrorRegister { name: "errors".to_owned(), value: 17, errors: vec![] }],
        };
        let loaded = Loaded { afu_id: AfuId::new(1) };
        let card = Card {
            id: address.into(),
            name: "dfl-fme.0".to_owned(),
            driver: Driver::Dfl,
            pci: Some(PciFunction {
                address,
                vendor: 0x8086,
                device: 0x9c4,
                subsystem_vendor: 0,
                subsystem_device: 0,
                class: 0x12_0000,
                numa_node: None,
                local_cpus: "0-15".to_owned(),
                sriov_numvfs: 0,
                sriov_totalvfs: 1,
            }),
            model: Some("a model"),
            management: Some(DeviceNode { name: "dfl-fme.0".to_owned(), number: None }),
            slots_num: Some(2),
            bitstream_id: Some(u64::MAX),
            bitstream_metadata: None,
            socket_id: Some(0),
            errors: Vec::new(),
            regions: vec![Region { name: "dfl-fme-region.0".to_owned(), interface_id: None }],
            slots: [loaded, Busy, Crashed, Absent, Anonymous, Unreadable].map(slot).into(),
            problems: Vec::new(),
        };
        let problem = card::Problem { object: "region7".to_owned(), message: "wrong".to_owned() };
        let inventory = card::Inventory {
            drivers: vec![Driver::Dfl],
            cards: vec![card],
            problems: vec![problem],
        };
        let port = |function: Value| {
            json!({
                "node": {"name": "dfl-port.3", "number": {"major": 236, "minor": 3}},
                "id": 0, "pci": "0000:5e:00.0", "is_virtual": false, "region": 0,
                "function": function, "errors": [{"name": "errors", "value": "0x11"}],
            })
        };
        let loaded = json!({"state": "loaded", "afu_id": "00000000000000000000000000000001"});
        let others = ["busy", "crashed", "absent", "anonymous", "unreadable"];
        let others = others.map(|word| json!({"state": word}));
        let ports: Vec<Value> = [loaded].into_iter().chain(others).map(port).collect();
        let expected = json!({
            "drivers": ["dfl"],
            "boards": [{
                "driver": "dfl",
                "pci": {
                    "address": "0000:5e:00.0", "vendor": "0x8086", "device": "0x09c4",
                    "subsystem_vendor": "0x0000", "subsystem_device": "0x0000", "class": "0x120000",
                    "numa_node": null, "local_cpus": "0-15", "sriov_numvfs": 0, "sriov_totalvfs": 1,
                },
                "model": "a model",
                "fme": {
                    "node": {"name": "dfl-fme.0", "number": null}, "ports_num": 2,
                    "bitstream_id": "0xffffffffffffffff", "bitstream_metadata": null,
                    "socket_id": 0, "errors": [],
                },
                "regions": [{"name": "dfl-fme-region.0", "interface_id": null}],
                "ports": ports,
                "problems": [],
            }],
            "problems": [{"object": "region7", "message": "wrong"}],
        });
        assert_eq!(serde_json::to_value(Inventory::new(&inventory)).unwrap(), expected);
    }
}
