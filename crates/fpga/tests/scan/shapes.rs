//! Machines of every shape, undamaged.

use std::fs;
use std::os::unix::fs::symlink;

use fpga::card::{Card, DeviceNumber, Driver, Function, Inventory};
use fpga::catalog;
use fpga_emulator::machine::Machine;

use crate::node::{Node, card, port, problems};

const PAC_INTERFACE: &str = "69528db6eb31577a8c3668f9faa081f6";

/// The slots of a card: number, region, whether virtual, name of the function.
fn ports(card: &Card) -> Vec<(u32, Option<usize>, bool, String)> {
    let name = |port: &fpga::card::Slot| {
        let id = port.afu_id().unwrap();
        catalog::by_id(id).next().map_or_else(|| id.to_string(), |entry| entry.name.to_owned())
    };
    card.slots.iter().map(|port| (port.number, port.region, port.is_virtual, name(port))).collect()
}

fn addresses(inventory: &Inventory) -> Vec<String> {
    inventory.cards.iter().map(|card| card.id.to_string()).collect()
}

/// Upstream: TestScanFPGAsDFL/Valid DFL scan in af mode, TestNewDevicePlugin/valid DFL af mode.
#[test]
fn a_dfl_card_is_found_with_everything_it_tells() {
    let inventory = Node::preset("pac-a10").scan();
    assert_eq!(problems(&inventory), [""; 0]);
    assert_eq!(inventory.drivers, [Driver::Dfl]);
    let [card] = &inventory.cards[..] else { panic!("{inventory:#?}") };
    let pci = card.pci.as_ref().unwrap();
    assert_eq!((pci.vendor, pci.device, pci.class), (0x8086, 0x09c4, 0x12_0000));
    assert_eq!(card.model, Some("Intel PAC Arria 10 GX"));
    assert_eq!((pci.numa_node, pci.local_cpus.as_str()), (Some(0), "0-15"));
    assert_eq!((pci.sriov_numvfs, pci.sriov_totalvfs), (0, 1));
    assert_eq!(card.name, "dfl-fme.0");
    assert_eq!(
        card.management.as_ref().unwrap().number,
        Some(DeviceNumber { major: 236, minor: 0 })
    );
    assert_eq!((card.slots_num, card.socket_id), (Some(1), Some(0)));
    assert!(card.bitstream_id.is_some() && card.bitstream_metadata.is_some());
    assert_eq!(ports(card), [(0, Some(0), false, "nlb_mode_3".to_owned())]);
    assert_eq!(card.interface_id(&card.slots[0]).unwrap().to_string(), PAC_INTERFACE);
    assert_eq!(card.slots[0].name, "dfl-port.0");
    assert_eq!(card.slots[0].pci.unwrap().to_string(), card.id.to_string());
}

/// Upstream: TestScanFPGAsOPAE/Valid OPAE scan in af mode, TestScan, TestNewDevicePlugin/valid OPAE af mode.
#[test]
fn an_opae_card_is_found_with_everything_it_tells() {
    let node = Node::described(
        "name = 'opae'\n[[card]]\nkind = 'pac-a10'\ndriver = 'opae'\npci = '0000:d8:00.0'\n\
         [[card.port]]\nafu = 'nlb0'",
    );
    let inventory = node.scan();
    assert_eq!(problems(&inventory), [""; 0]);
    assert_eq!(inventory.drivers, [Driver::Opae]);
    let [card] = &inventory.cards[..] else { panic!("{inventory:#?}") };
    assert_eq!((card.driver, card.name.as_str()), (Driver::Opae, "intel-fpga-fme.0"));
    assert_eq!(card.slots_num, Some(1));
    assert_eq!(card.regions[0].name, "intel-fpga-fme.0");
    assert_eq!(card.interface_id(&card.slots[0]).unwrap().to_string(), PAC_INTERFACE);
    assert_eq!(ports(card), [(0, Some(0), false, "nlb_mode_0".to_owned())]);
    assert_eq!(card.slots[0].name, "intel-fpga-port.0");
}

/// Upstream: TestScanFPGAsOPAE/Valid OPAE scan in af mode (SR-IOV) and in region mode (SR-IOV).
#[test]
fn an_opae_port_on_a_virtual_function_belongs_to_the_card_at_its_physfn() {
    let node = Node::described(
        "name = 'opae'\n[[card]]\nkind = 'pac-a10'\ndriver = 'opae'\npci = '0000:d8:00.0'\n\
         [[card.port]]\nafu = 'nlb0'\nvf = true",
    );
    let inventory = node.scan();
    assert_eq!(problems(&inventory), [""; 0]);
    let [card] = &inventory.cards[..] else { panic!("{inventory:#?}") };
    assert_eq!(ports(card), [(0, Some(0), true, "nlb_mode_0".to_owned())]);
    assert_eq!(card.slots[0].pci.unwrap().to_string(), "0000:d8:00.1");
    assert_eq!(card.interface_id(&card.slots[0]).unwrap().to_string(), PAC_INTERFACE);
    assert_eq!(card.pci.as_ref().unwrap().sriov_numvfs, 1);
}

/// Upstream: TestScanFPGAsOPAE/No sysfs device entries.
#[test]
fn a_driver_without_cards_is_a_driver_and_no_card() {
    let node = Node::bare();
    fs::create_dir(node.path("sys/class/fpga")).unwrap();
    let inventory = node.scan();
    assert_eq!(inventory, Inventory { drivers: vec![Driver::Opae], ..Inventory::default() });
    fs::create_dir(node.path("sys/class/fpga_region")).unwrap();
    assert_eq!(node.scan().drivers, [Driver::Dfl, Driver::Opae]);
}

/// Upstream: TestNewDevicePlugin/invalid: * mode: driver is not loaded.
#[test]
fn without_a_driver_there_is_nothing_and_nothing_is_wrong() {
    assert_eq!(Node::bare().scan(), Inventory::default());
    assert_eq!(fpga::scan::scan(&fpga::root::Root::at("/nonexistent")), Inventory::default());
}

/// Upstream takes one driver and forgets the other.
#[test]
fn both_drivers_are_scanned_at_once_in_the_order_of_addresses() {
    let inventory = Node::preset("mixed").scan();
    assert_eq!(problems(&inventory), [""; 0]);
    assert_eq!(inventory.drivers, [Driver::Dfl, Driver::Opae]);
    let addresses = addresses(&inventory);
    assert_eq!(
        addresses,
        ["0000:3b:00.0", "0000:5e:00.0", "0000:86:00.0", "0000:af:00.0", "0000:d8:00.0"]
    );
    assert_eq!(card(&inventory, "0000:d8:00.0").driver, Driver::Opae);
}

/// Upstream reports the first port of a card only.
#[test]
fn every_port_of_a_card_is_found_with_its_own_region() {
    let inventory = Node::preset("mixed").scan();
    let card = card(&inventory, "0000:5e:00.0");
    let regions: Vec<_> = card.regions.iter().map(|region| region.name.as_str()).collect();
    assert_eq!(regions, ["dfl-fme-region.5", "dfl-fme-region.6"]);
    assert_eq!(
        ports(card),
        [(0, Some(0), false, "nlb_mode_0".to_owned()), (1, Some(1), false, "hello_afu".to_owned())]
    );
}

/// The names of the regions that the device plugin and CDI give.
fn region_names(card: &Card) -> Vec<&str> {
    card.slots.iter().map(|slot| slot.region_name.as_str()).collect()
}

#[test]
fn a_region_is_named_by_its_card_and_on_a_card_of_several_slots_by_its_number_too() {
    let inventory = Node::preset("mixed").scan();
    assert_eq!(region_names(&inventory.cards[0]), ["dfl-fme.0"]);
    assert_eq!(region_names(&inventory.cards[1]), ["dfl-fme.1-port0", "dfl-fme.1-port1"]);
}

/// Slots are counted by what the card has, not by what is visible: the name of a region must not change
/// when its neighbour is released.
#[test]
fn a_region_keeps_its_name_when_its_neighbour_is_released() {
    let node = Node::new(&Machine::cards(1, 2).unwrap());
    fs::remove_dir_all(node.device("dfl-port.1")).unwrap();
    let inventory = node.scan();
    assert_eq!(region_names(&inventory.cards[0]), ["dfl-fme.0-port0"]);
}

#[test]
fn a_driver_that_does_not_count_slots_is_believed_by_what_it_shows() {
    let described = |ports: &str| {
        let node = Node::described(&format!(
            "name = 'opae'\n[[card]]\nkind = 'pac-a10'\ndriver = 'opae'\npci = '0000:d8:00.0'\n{ports}"
        ));
        fs::remove_file(node.device("intel-fpga-fme.0").join("ports_num")).unwrap();
        node.scan()
    };
    let port = "[[card.port]]\nafu = 'nlb0'\n";
    let (one, two) = (described(port), described(&port.repeat(2)));
    assert_eq!(region_names(&one.cards[0]), ["intel-fpga-fme.0"]);
    // This driver shows one region whatever the number of ports.
    assert_eq!(two.cards[0].regions.len(), 1);
    assert_eq!(region_names(&two.cards[0]), ["intel-fpga-fme.0-port0", "intel-fpga-fme.0-port1"]);
}

/// Upstream finds no interface id on such a card, and then fails.
#[test]
fn regions_of_one_card_may_have_different_interfaces() {
    let node = Node::preset("mixed");
    let other = "ce48969398f05f33946d560708be108a";
    let fme = node.device("dfl-fme.1");
    fs::write(fme.join("dfl-fme-region.6/fpga_region/region4/compat_id"), other).unwrap();
    let inventory = node.scan();
    assert_eq!(problems(&inventory), [""; 0]);
    let card = card(&inventory, "0000:5e:00.0");
    let interfaces: Vec<_> =
        card.slots.iter().map(|port| card.interface_id(port).unwrap().to_string()).collect();
    assert_eq!(interfaces, [PAC_INTERFACE, other]);
}

#[test]
fn a_port_on_a_virtual_function_is_beside_those_on_the_physical_one() {
    let inventory = Node::preset("mixed").scan();
    let card = card(&inventory, "0000:af:00.0");
    assert_eq!(
        ports(card),
        [(0, Some(0), false, "hello_afu".to_owned()), (1, Some(1), true, "nlb_mode_3".to_owned())]
    );
    assert_eq!(card.slots[1].pci.unwrap().to_string(), "0000:af:00.1");
}

#[test]
fn a_port_that_a_virtual_machine_holds_does_not_shift_the_regions_of_the_others() {
    let node = Node::described(
        "name = 'vm'\n[[card]]\nkind = 'pac-a10'\npci = '0000:af:00.0'\n\
         [[card.port]]\nafu = 'nlb0'\nvf = true\n[[card.port]]\nafu = 'nlb3'",
    );
    fs::remove_file(node.path("sys/class/fpga_region/region3")).unwrap();
    let inventory = node.scan();
    assert_eq!(problems(&inventory), [""; 0]);
    assert_eq!(ports(&inventory.cards[0]), [(1, Some(1), false, "nlb_mode_3".to_owned())]);
}

#[test]
fn a_card_without_reconfiguration_has_ports_and_no_region() {
    let inventory = Node::preset("mixed").scan();
    let card = card(&inventory, "0000:86:00.0");
    assert_eq!(card.model, Some("Intel PAC N3000"));
    assert_eq!(card.regions, []);
    assert_eq!(ports(card), [(0, None, false, "9aeffe5f84570612c000c9660d824272".to_owned())]);
}

/// Upstream refuses every class but 0x120000, and with the card the whole scan.
#[test]
fn a_card_of_any_class_and_vendor_is_a_card() {
    let node = Node::preset("r740");
    let pci = node.pci("0000:86:00.0");
    for (attr, value) in [("class", "0x020000\n"), ("vendor", "0x1172\n"), ("device", "0x0001\n")] {
        fs::write(pci.join(attr), value).unwrap();
    }
    let inventory = node.scan();
    assert_eq!(problems(&inventory), [""; 0]);
    let card = card(&inventory, "0000:86:00.0");
    let pci = card.pci.as_ref().unwrap();
    assert_eq!((pci.class, pci.vendor, card.model), (0x02_0000, 0x1172, None));
    assert_eq!(ports(card).len(), 1);
    assert_eq!(inventory.cards.len(), 2);
}

/// Upstream: TestGetTopologyInfo/valid: missing numa node ID.
#[test]
fn a_platform_that_does_not_tell_the_numa_node_has_none() {
    let node = Node::preset("pac-a10");
    let pci = node.pci("0000:3b:00.0");
    fs::write(pci.join("numa_node"), "-1\n").unwrap();
    assert_eq!(node.scan().cards[0].numa_node(), None);
    fs::remove_file(pci.join("numa_node")).unwrap();
    let inventory = node.scan();
    assert_eq!((inventory.cards[0].numa_node(), problems(&inventory)), (None, vec![]));
}

/// Upstream: TestGetTopologyInfo/valid: 2 different devices.
#[test]
fn cards_on_two_sockets_have_their_own_numa_nodes() {
    let inventory = Node::preset("r740").scan();
    let nodes: Vec<_> = inventory.cards.iter().map(|card| card.numa_node()).collect();
    assert_eq!(nodes, [Some(0), Some(1)]);
}

#[test]
fn error_registers_that_are_set_are_listed_and_the_others_are_not() {
    let node = Node::preset("r740");
    fs::write(node.device("dfl-fme.1").join("errors/catfatal_errors"), "0x800\n").unwrap();
    fs::write(node.device("dfl-port.1").join("errors/errors"), "0x4000000000000\n").unwrap();
    fs::write(node.device("dfl-fme.1").join("errors/inject_errors"), "0x1\n").unwrap();
    let inventory = node.scan();
    let set: Vec<_> =
        inventory.cards[1].errors.iter().map(|it| (it.name.as_str(), it.value)).collect();
    assert_eq!(set, [("catfatal_errors", 0x800)]);
    let set: Vec<_> = port(&inventory, "dfl-port.1")
        .errors
        .iter()
        .map(|it| (it.name.as_str(), it.value))
        .collect();
    assert_eq!(set, [("errors", 1 << 50)]);
    assert_eq!(
        (&inventory.cards[0].errors, &inventory.cards[0].slots[0].errors),
        (&vec![], &vec![])
    );
}

#[test]
fn all_ones_is_a_crash_and_no_function() {
    let node = Node::preset("r740");
    fs::write(node.device("dfl-port.1").join("afu_id"), "f".repeat(32)).unwrap();
    let inventory = node.scan();
    assert_eq!(port(&inventory, "dfl-port.1").function, Function::Crashed);
    assert_eq!(problems(&inventory), [""; 0]);
}

#[test]
fn a_port_without_its_driver_has_no_function() {
    let node = Node::preset("r740");
    fs::remove_file(node.device("dfl-port.1").join("afu_id")).unwrap();
    fs::remove_file(node.device("dfl-port.1").join("driver")).unwrap();
    let inventory = node.scan();
    assert_eq!(port(&inventory, "dfl-port.1").function, Function::Absent);
    assert_eq!(problems(&inventory), [""; 0]);
}

/// As with OFS, on whose ports the driver has no such attribute.
#[test]
fn a_port_with_a_driver_and_without_an_id_is_anonymous() {
    let node = Node::preset("r740");
    fs::remove_file(node.device("dfl-port.1").join("afu_id")).unwrap();
    let inventory = node.scan();
    assert_eq!(port(&inventory, "dfl-port.1").function, Function::Anonymous);
    assert_eq!(port(&inventory, "dfl-port.1").afu_id(), None);
    assert_eq!(problems(&inventory), [""; 0]);
}

/// A Zynq's region is in the same class as a DFL card's.
#[test]
fn regions_of_other_drivers_are_nobodys_business() {
    let node = Node::preset("pac-a10");
    let whole = node.scan();
    fs::create_dir_all(node.path("sys/devices/platform/fpga-full/fpga_region/region9")).unwrap();
    symlink(
        "../../devices/platform/fpga-full/fpga_region/region9",
        node.path("sys/class/fpga_region/region9"),
    )
    .unwrap();
    fs::create_dir(node.path("sys/class/fpga_region/unrelated")).unwrap();
    assert_eq!(node.scan(), whole);
}

#[test]
fn the_order_is_that_of_addresses_and_not_of_the_drivers_numbers() {
    let node = Node::described(
        "name = 'late'\n[[card]]\nkind = 'pac-a10'\npci = '0000:af:00.0'\n[[card.port]]\nafu = 'nlb0'\n\
         [[card]]\nname = 'first'\nkind = 'pac-a10'\npci = '0000:3b:00.0'\n[[card.port]]\nafu = 'nlb0'",
    );
    assert_eq!(addresses(&node.scan()), ["0000:3b:00.0", "0000:af:00.0"]);
    assert_eq!(node.scan(), node.scan());
}
