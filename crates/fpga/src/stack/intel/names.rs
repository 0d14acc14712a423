//! What the device plugin and CDI call a card's regions: its FME's name, as Intel's plugin had it, with the number
//! of the port on a card of several.

use super::driver::{Node, NodeKind};

/// Between the two.
const PORT: &str = "-port";

/// The name of the region at port `number` of a card; `None` for the card's only one.
pub(super) fn region_name(fme: &str, number: Option<u32>) -> String {
    number.map_or_else(|| fme.to_owned(), |number| format!("{fme}{PORT}{number}"))
}

/// True of a name that a region can have, or a port.
pub(in crate::stack) fn is_device_name(name: &str) -> bool {
    let is_port = Node::parse(name).is_some_and(|node| node.kind == NodeKind::Port);
    is_port || is_region_name(name)
}

fn is_region_name(name: &str) -> bool {
    let (fme, number) = match name.split_once(PORT) {
        Some((fme, number)) => (fme, Some(number)),
        None => (name, None),
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    Node::parse(fme).is_some_and(|node| node.kind == NodeKind::Fme) && number.is_none_or(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_devices_are_names_of_devices() {
        for number in [None, Some(0), Some(12)] {
            for fme in ["dfl-fme.0", "intel-fpga-fme.12"] {
                assert!(is_device_name(&region_name(fme, number)));
            }
        }
        for good in ["dfl-port.0", "intel-fpga-port.12"] {
            assert!(is_device_name(good), "{good}");
        }
        for bad in [
            "",
            "dfl-port.",
            "dfl-port.0/",
            "dfl-port.0-port1",
            "dfl-fme.0-port",
            "dfl-fme.0-port1x",
            "../dfl-fme.0",
            "dfl-fme.0/x",
        ] {
            assert!(!is_device_name(bad), "{bad}");
        }
    }
}
