//! Where a guest has the functions of the cards: one after the other on bus 0, as User Mode Linux puts them, or at the
//! addresses of the machine's description.

use std::collections::BTreeMap;

use super::config::{Slot, VF_DISTANCE};
use super::server::{Error, virtual_functions};
use crate::id::PciAddress;
use crate::machine::{CardSpec, Machine};

/// Device `virtio-uml.N` with this bit in `N` is at the address in the lower 16 bits: bus number, device and function
/// (`lab/kernel/um-pci-address.patch`).
const ADDRESSED: u32 = 1 << 16;

/// Where a card is.
pub(super) struct Place {
    pub(super) slot: Slot,
    /// The numbers of its functions' devices on the kernel's command line, the physical one first; none where the
    /// kernel may count.
    pub(super) devices: Vec<Option<u32>>,
}

/// Of all cards. Those are few, and of few functions: the server has looked.
pub(super) fn places(machine: &Machine, addressed: bool) -> Result<Vec<Place>, Error> {
    let mut taken = BTreeMap::new();
    let mut before = 0;
    let mut all = Vec::new();
    for card in &machine.cards {
        let count = virtual_functions(card);
        all.push(if addressed {
            at_its_address(card, count, &mut taken)?
        } else {
            counted(before, count)
        });
        before += 1 + count;
    }
    Ok(all)
}

fn counted(before: u16, count: u16) -> Place {
    let number = u8::try_from(before).unwrap_or(u8::MAX);
    let devices = (0..=count).map(|_| None).collect();
    Place { slot: Slot { number, virtual_functions: count }, devices }
}

fn at_its_address<'a>(
    card: &'a CardSpec,
    count: u16,
    taken: &mut BTreeMap<PciAddress, &'a str>,
) -> Result<Place, Error> {
    let address = card.pci;
    let fail = |reason: String| Error::Address { card: card.name.clone(), address, reason };
    if address.domain != 0 {
        return Err(fail("a guest has one PCI domain, 0000".into()));
    }
    if address.function != 0 {
        return Err(fail("a guest looks for function 0 of a device".into()));
    }
    let mut devices = Vec::new();
    for n in 0..=count {
        let distance = u8::try_from(n * VF_DISTANCE).ok();
        let at = distance.and_then(|d| address.offset(d));
        let at = at.ok_or_else(|| fail("no room on the bus for its virtual functions".into()))?;
        if let Some(other) = taken.insert(at, &card.name) {
            return Err(fail(format!("{at} is the address of a function of {other} too")));
        }
        let [bus, device, function] = [at.bus, at.device, at.function].map(u32::from);
        devices.push(Some(ADDRESSED | bus << 8 | device << 3 | function));
    }
    Ok(Place { slot: Slot { number: address.device, virtual_functions: count }, devices })
}
