//! Boards and devices for unit tests.

use fpga::board::{
    Board, DeviceNode, DeviceNumber, Driver, Fme, Function, Inventory, PciFunction, Port, Region,
};
use fpga::id::{AfuId, InterfaceId, PciAddress};

use crate::node::inventory::Snapshot;
use crate::node::units::Node;
use crate::plugin::device::{Device, Health};

pub(crate) const A10: InterfaceId = InterfaceId::new(0x6952_8db6_eb31_577a_8c36_68f9_faa0_81f6);
pub(crate) const NLB0: AfuId = AfuId::new(0xd842_4dc4_a4a3_c413_f89e_4336_83f9_040b);
pub(crate) const NLB3: AfuId = AfuId::new(0xf7df_405c_bd7a_cf72_22f1_44b0_b93a_cd18);

pub(crate) fn node(name: &str) -> DeviceNode {
    DeviceNode { name: name.to_owned(), number: Some(DeviceNumber { major: 243, minor: 0 }) }
}

/// A card on bus `bus` whose nodes have the number `index` and which has one port for each function.
pub(crate) fn board(driver: Driver, bus: u8, index: usize, functions: &[Function]) -> Board {
    let prefix = match driver {
        Driver::Dfl => "dfl",
        Driver::Opae => "intel-fpga",
    };
    let address = PciAddress { domain: 0, bus, device: 0, function: 0 };
    let port = |(id, function): (usize, &Function)| Port {
        node: node(&format!("{prefix}-port.{}", index + id)),
        id: u32::try_from(id).unwrap(),
        pci: address,
        is_virtual: false,
        region: Some(id),
        function: function.clone(),
        errors: Vec::new(),
    };
    let region =
        |id: usize| Region { name: format!("dfl-fme-region.{id}"), interface_id: Some(A10) };
    Board {
        driver,
        pci: PciFunction {
            address,
            vendor: 0x8086,
            device: 0x09c4,
            subsystem_vendor: 0x8086,
            subsystem_device: 0,
            class: 0x12_0000,
            numa_node: Some(u32::from(bus >= 0x80)),
            local_cpus: String::new(),
            sriov_numvfs: 0,
            sriov_totalvfs: 1,
        },
        model: None,
        fme: Fme {
            node: node(&format!("{prefix}-fme.{index}")),
            ports_num: Some(u32::try_from(functions.len()).unwrap()),
            bitstream_id: None,
            bitstream_metadata: None,
            socket_id: None,
            errors: Vec::new(),
        },
        regions: (0..functions.len()).map(region).collect(),
        ports: functions.iter().enumerate().map(port).collect(),
        problems: Vec::new(),
    }
}

pub(crate) fn loaded(afu_id: AfuId) -> Function {
    Function::Loaded { afu_id }
}

pub(crate) fn inventory(boards: Vec<Board>) -> Snapshot {
    let inventory = Inventory { drivers: vec![Driver::Dfl], boards, problems: Vec::new() };
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
        board: PciAddress { domain: 0, bus, device: 0, function: 0 },
    }
}
