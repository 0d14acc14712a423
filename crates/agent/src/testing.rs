//! Cards and devices for unit tests.

use fpga::card::{
    Card, DeviceNode, DeviceNumber, Driver, Function, Inventory, PciFunction, Region, Slot,
};
use fpga::id::{AfuId, CardId, DeviceId, InterfaceId, PciAddress};

use crate::node::inventory::Snapshot;
use crate::node::units::Node;
use crate::plugin::device::{Device, Health};

pub(crate) const A10: InterfaceId = InterfaceId::new(0x6952_8db6_eb31_577a_8c36_68f9_faa0_81f6);
pub(crate) const NLB0: AfuId = AfuId::new(0xd842_4dc4_a4a3_c413_f89e_4336_83f9_040b);
pub(crate) const NLB3: AfuId = AfuId::new(0xf7df_405c_bd7a_cf72_22f1_44b0_b93a_cd18);

pub(crate) fn node(name: &str) -> DeviceNode {
    DeviceNode { name: name.to_owned(), number: Some(DeviceNumber { major: 243, minor: 0 }) }
}

pub(crate) fn card_id(bus: u8) -> CardId {
    PciAddress { domain: 0, bus, device: 0, function: 0 }.into()
}

/// A card on bus `bus` whose nodes have the number `index` and which has one slot for each function.
pub(crate) fn card(driver: Driver, bus: u8, index: usize, functions: &[Function]) -> Card {
    let prefix = match driver {
        Driver::Dfl => "dfl",
        Driver::Opae => "intel-fpga",
    };
    let name = format!("{prefix}-fme.{index}");
    let slot = |(number, function): (usize, &Function)| {
        let own = format!("{prefix}-port.{}", index + number);
        Slot {
            nodes: vec![node(&own)],
            name: own,
            region_name: match functions {
                [_only] => name.clone(),
                _ => format!("{name}-port{number}"),
            },
            number: u32::try_from(number).unwrap(),
            pci: None,
            is_virtual: false,
            region: Some(number),
            function: function.clone(),
            errors: Vec::new(),
        }
    };
    let region =
        |id: usize| Region { name: format!("dfl-fme-region.{id}"), interface_id: Some(A10) };
    Card {
        id: card_id(bus),
        driver,
        pci: Some(PciFunction {
            address: PciAddress { domain: 0, bus, device: 0, function: 0 },
            vendor: 0x8086,
            device: 0x09c4,
            subsystem_vendor: 0x8086,
            subsystem_device: 0,
            class: 0x12_0000,
            numa_node: Some(u32::from(bus >= 0x80)),
            local_cpus: String::new(),
            sriov_numvfs: 0,
            sriov_totalvfs: 1,
        }),
        model: None,
        management: Some(node(&name)),
        slots_num: Some(u32::try_from(functions.len()).unwrap()),
        bitstream_id: None,
        bitstream_metadata: None,
        socket_id: None,
        errors: Vec::new(),
        regions: (0..functions.len()).map(region).collect(),
        slots: functions.iter().enumerate().map(slot).collect(),
        problems: Vec::new(),
        name,
    }
}

pub(crate) fn loaded(afu_id: AfuId) -> Function {
    Function::Loaded { afu_id }
}

pub(crate) fn inventory(cards: Vec<Card>) -> Snapshot {
    let inventory = Inventory { drivers: vec![Driver::Dfl], cards, problems: Vec::new() };
    Snapshot { inventory, ..Snapshot::default() }
}

/// Nodes of these names, with the number of [`node`].
pub(crate) fn nodes(names: &[&str]) -> Vec<Node> {
    let number = DeviceNumber { major: 243, minor: 0 };
    names.iter().map(|&name| Node { name: name.to_owned(), number }).collect()
}

/// A healthy device `id` on the card at `bus`, with one node of the same name.
pub(crate) fn device(id: &str, bus: u8, numa_node: Option<u32>) -> Device {
    Device {
        id: id.to_owned(),
        health: Health::Healthy,
        numa_node,
        nodes: nodes(&[id]),
        place: DeviceId { card: card_id(bus), slot: Some(0) },
        is_over: false,
    }
}
