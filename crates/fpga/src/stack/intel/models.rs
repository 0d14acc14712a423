//! Product names by PCI ids, from `data/boards.tsv`.

use crate::card::PciFunction;

const TABLE: &str = include_str!("../../../data/boards.tsv");

/// The product name of a card by its PCI ids, of the physical function or of a virtual one.
///
/// The facts are those of `drivers/fpga/dfl-pci.c` and of OPAE's `opae.cfg`. The boards of one device
/// id are told apart by their subsystem ids. Discovery does not depend on the table: a card that is
/// not in it only has no name.
#[must_use]
pub(super) fn model(pci: &PciFunction) -> Option<&'static str> {
    let ids = [pci.vendor, pci.device, pci.subsystem_vendor, pci.subsystem_device];
    rows()
        .find(|(patterns, _)| patterns.iter().zip(ids).all(|(pattern, id)| fits(pattern, id)))
        .map(|row| row.1)
}

fn rows() -> impl Iterator<Item = ([&'static str; 4], &'static str)> {
    TABLE.lines().skip(1).filter_map(|line| {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        let patterns = [next()?, next()?, next()?, next()?];
        let _function = next()?;
        Some((patterns, next()?))
    })
}

fn fits(pattern: &str, id: u16) -> bool {
    pattern == "*" || u16::from_str_radix(pattern, 16) == Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(
        vendor: u16,
        device: u16,
        subsystem_vendor: u16,
        subsystem_device: u16,
    ) -> Option<&'static str> {
        let address = "0000:5e:00.0".parse().unwrap();
        model(&PciFunction {
            vendor,
            device,
            subsystem_vendor,
            subsystem_device,
            ..PciFunction::unread(address)
        })
    }

    #[test]
    fn every_row_of_the_table_is_whole_and_found_by_its_ids() {
        assert_eq!(rows().count(), TABLE.lines().count() - 1);
        for (patterns, name) in rows() {
            let id = |pattern: &str| match pattern {
                "*" => 0xffff,
                digits => u16::from_str_radix(digits, 16).unwrap(),
            };
            let [vendor, device, subvendor, subdevice] = patterns.map(id);
            assert_eq!(named(vendor, device, subvendor, subdevice), Some(name), "{patterns:?}");
        }
    }

    #[test]
    fn boards_of_one_device_id_are_told_apart_by_their_subsystem() {
        assert_eq!(named(0x8086, 0x09c4, 0x8086, 0), Some("Intel PAC Arria 10 GX"));
        assert_eq!(named(0x8086, 0xbcce, 0x8086, 0x138d), Some("Intel PAC D5005 (OFS)"));
        assert_eq!(named(0x8086, 0xbccf, 0x8086, 0x1771), Some("Intel N6001"));
        assert_eq!(named(0x8086, 0xbcce, 0x8086, 0x9999), None);
        assert_eq!(named(0x8086, 0x1533, 0x8086, 0), None);
    }

    #[test]
    fn boards_of_other_vendors_have_names() {
        assert_eq!(named(0x1c2c, 0x1000, 0, 0), Some("Silicom N5010"));
        assert_eq!(named(0x1ded, 0x8103, 0, 0), Some("Alibaba F5"));
    }
}
