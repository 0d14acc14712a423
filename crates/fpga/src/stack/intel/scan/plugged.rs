//! Cards on the PCI bus, whether a driver is bound to them or not.

use std::fs;

use super::super::models::model;
use super::pci;
use crate::card::PciFunction;
use crate::root::Root;

/// A physical function that is an FPGA card by the table of cards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugged {
    /// What sysfs says about it.
    pub pci: PciFunction,
    /// Product name from the table of boards.
    pub model: &'static str,
    /// Name of the PCI driver that is bound to it, such as `dfl-pci` or `vfio-pci`.
    pub driver: Option<String>,
}

/// The cards that are plugged in, by address. A card that is not in the table of cards is not among
/// them unless a driver made it a [`crate::card::Card`]; a bus that cannot be read has none.
#[must_use]
pub fn plugged(root: &Root) -> Vec<Plugged> {
    let entries = fs::read_dir(root.pci_devices()).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut cards: Vec<_> = names.filter_map(|name| card(root, &name)).collect();
    cards.sort_by_key(|card| card.pci.address);
    cards
}

fn card(root: &Root, name: &str) -> Option<Plugged> {
    let address = name.parse().ok()?;
    let dir = root.pci_device(address);
    if dir.join("physfn").exists() {
        return None;
    }
    let pci = pci::read(address, &dir, &mut Vec::new());
    let driver = fs::read_link(dir.join("driver")).ok();
    let driver = driver.and_then(|link| Some(link.file_name()?.to_str()?.to_owned()));
    Some(Plugged { model: model(&pci)?, pci, driver })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn cards_are_found_with_and_without_a_driver() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::at(dir.path());
        for (address, device) in
            [("0000:86:00.0", "0x0b2b"), ("0000:3b:00.0", "0x09c4"), ("0000:01:00.0", "0x1533")]
        {
            let function = root.pci_devices().join(address);
            fs::create_dir_all(&function).unwrap();
            for (name, text) in [
                ("vendor", "0x8086"),
                ("device", device),
                ("subsystem_vendor", "0x8086"),
                ("subsystem_device", "0x0000"),
            ] {
                fs::write(function.join(name), text).unwrap();
            }
        }
        symlink("../../drivers/vfio-pci", root.pci_devices().join("0000:86:00.0/driver")).unwrap();
        let found: Vec<_> = plugged(&root)
            .into_iter()
            .map(|card| (card.pci.address.to_string(), card.model, card.driver))
            .collect();
        assert_eq!(
            found,
            [
                ("0000:3b:00.0".to_owned(), "Intel PAC Arria 10 GX", None),
                ("0000:86:00.0".to_owned(), "Intel PAC D5005", Some("vfio-pci".to_owned())),
            ]
        );
        assert!(plugged(&Root::at("/none")).is_empty());
    }
}
