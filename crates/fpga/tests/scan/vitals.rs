//! How a card is, on emulated cards of both drivers.

use fpga::card::{Inventory, PowerState, Vitals};

use super::node::Node;

fn all(node: &Node, inventory: &Inventory) -> Vec<Vitals> {
    let read = |card| {
        let (vitals, problems) = fpga::scan::vitals(&node.root(), card);
        assert!(problems.is_empty(), "{problems:?}");
        vitals
    };
    inventory.cards.iter().map(read).collect()
}

fn errors(found: &[fpga::errors::ErrorRegister]) -> Vec<(&str, u64)> {
    found.iter().map(|register| (register.name.as_str(), register.value)).collect()
}

#[test]
fn sensors_of_both_drivers_are_read_in_the_same_units() {
    let node = Node::preset("mixed");
    let inventory = node.scan();
    for (card, vitals) in inventory.cards.iter().zip(all(&node, &inventory)) {
        let temperature = vitals.temperature.unwrap();
        assert_eq!(temperature.now, 42_000, "{}", card.id);
        assert_eq!(vitals.power, Some(27_000_000), "{}", card.id);
        assert_eq!(errors(&vitals.errors), []);
        assert_eq!(vitals.slots.len(), card.slots.len());
        for (port, vitals) in card.slots.iter().zip(&vitals.slots) {
            assert_eq!(vitals.name, port.name);
            assert_eq!(vitals.power_state, Some(PowerState::Normal));
            assert_eq!(errors(&vitals.errors), []);
        }
    }
}

#[test]
fn what_changes_is_read_anew() {
    let node = Node::preset("pac-a10");
    let inventory = node.scan();
    let write = |path: &str, text: &str| {
        let (device, attribute) = path.split_once('/').unwrap();
        let file = node.device(device).join(attribute);
        std::fs::remove_file(&file).unwrap();
        std::fs::write(file, text).unwrap();
    };
    write("dfl-port.0/power_state", "0x6\n");
    write("dfl-port.0/errors/errors", "0x1000000000000\n");
    write("dfl-fme.0/errors/catfatal_errors", "0x200\n");
    // It repeats what is elsewhere.
    write("dfl-fme.0/errors/first_error", "0x1\n");
    write("dfl-fme.0/hwmon/hwmon0/temp1_input", "95000\n");
    let found = all(&node, &inventory);
    let [vitals] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(errors(&vitals.errors), [("catfatal_errors", 0x200)]);
    assert_eq!(vitals.slots[0].power_state, Some(PowerState::Off));
    assert_eq!(errors(&vitals.slots[0].errors), [("errors", 1 << 48)]);
    let temperature = vitals.temperature.unwrap();
    assert_eq!(
        (temperature.now, temperature.max, temperature.critical),
        (95_000, Some(90_000), Some(93_000))
    );

    // A threshold of 0 is none, and a sensor that fails leaves the rest.
    write("dfl-fme.0/hwmon/hwmon0/temp1_crit", "0\n");
    write("dfl-fme.0/hwmon/hwmon1/power1_input", "lots\n");
    let (vitals, problems) = first(&inventory, &node);
    assert_eq!(vitals.temperature.unwrap().critical, None);
    assert_eq!(vitals.power, None);
    assert_eq!(problems, ["dfl-fme.0: hwmon/hwmon1/power1_input: \"lots\" is not a number"]);
}

/// As the bus answers for a card that was torn out, before the kernel knows: 64 errors at once are none.
#[test]
fn all_ones_are_no_errors() {
    let node = Node::preset("pac-a10");
    let inventory = node.scan();
    let file = node.device("dfl-port.0").join("errors/errors");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(file, "0xffffffffffffffff\n").unwrap();
    let (vitals, problems) = first(&inventory, &node);
    assert_eq!(errors(&vitals.slots[0].errors), []);
    assert_eq!(problems, ["dfl-port.0/errors: errors: all ones: the card does not answer"]);
}

fn first(inventory: &Inventory, node: &Node) -> (Vitals, Vec<String>) {
    let (vitals, problems) = fpga::scan::vitals(&node.root(), &inventory.cards[0]);
    (vitals, problems.iter().map(ToString::to_string).collect())
}

#[test]
fn a_card_that_has_gone_since_has_none() {
    let node = Node::preset("pac-a10");
    let inventory = node.scan();
    std::fs::remove_dir_all(node.path("sys")).unwrap();
    let (found, problems) = first(&inventory, &node);
    assert_eq!(found, Vitals::default());
    assert_eq!(problems.len(), 2, "{problems:?}");
}
