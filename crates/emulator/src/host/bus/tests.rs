use super::*;
use crate::machine::Machine;

const NEAR: &str = "0000:3b:00.0";
const FAR: &str = "0000:86:00.0";
const BIND: BusFile = BusFile::Bind(Driver::Dfl);
const UNBIND: BusFile = BusFile::Unbind(Driver::Dfl);

fn host() -> Host {
    Host::new(&Machine::preset("r740").unwrap())
}

#[test]
fn a_driver_is_taken_and_given_back() {
    let mut host = host();
    let before = host.slots[0].bound.clone();
    host.slots[0].ports[0].disabled = 1;
    assert_eq!(host.bus_store(BIND, NEAR), Err(Errno::EBUSY));
    assert_eq!(host.bus_store(UNBIND, "0000:3b:00.0\n"), Ok(()));
    assert_eq!((&host.slots[0].bound, host.slots[0].link), (&None, Link::Up));
    assert_eq!(host.bus_store(UNBIND, NEAR), Err(Errno::ENODEV));
    assert_eq!(host.bus_store(BIND, NEAR), Ok(()));
    assert_eq!((&host.slots[0].bound, host.slots[0].ports[0].disabled), (&before, 0));
}

/// Each takes the lowest numbers that are free then.
#[test]
fn cards_bound_in_another_order_get_other_numbers() {
    let mut host = host();
    let before: Vec<_> = host.slots.iter().map(|s| s.bound.clone()).collect();
    for (file, address) in [(UNBIND, NEAR), (UNBIND, FAR), (BIND, FAR), (BIND, NEAR)] {
        assert_eq!(host.bus_store(file, address), Ok(()));
    }
    assert_eq!(host.slots[0].bound, before[1]);
    assert_eq!(host.slots[1].bound, before[0]);
}

#[test]
fn wrong_content_changes_nothing() {
    let mut host = host();
    let revisions: Vec<u64> = host.slots.iter().map(super::super::Slot::revision).collect();
    let other = BusFile::Unbind(Driver::Opae);
    for (file, text, error) in [
        (UNBIND, "", Errno::ENODEV),
        (UNBIND, "0000:3c:00.0", Errno::ENODEV),
        (UNBIND, "3b:00.0", Errno::ENODEV),
        (UNBIND, " 0000:3b:00.0", Errno::ENODEV),
        (UNBIND, "0000:3b:00.0\n\n", Errno::ENODEV),
        (other, NEAR, Errno::ENODEV),
        (BIND, "nonsense", Errno::ENODEV),
        (BIND, NEAR, Errno::EBUSY),
        (BusFile::Rescan, "yes", Errno::EINVAL),
        (BusFile::Rescan, "0x10000000000000000", Errno::EINVAL),
    ] {
        assert_eq!(host.bus_store(file, text), Err(error), "{file:?} {text:?}");
    }
    assert_eq!(host.store(0, Store::Remove, "-1"), Err(Errno::EINVAL));
    assert_eq!(host.store(0, Store::Remove, "0"), Ok(()));
    assert_eq!(host.bus_store(BusFile::Rescan, "0"), Ok(()));
    assert_eq!(host.slots.iter().map(super::super::Slot::revision).collect::<Vec<_>>(), revisions);
}

#[test]
fn a_rescan_finds_what_was_removed_with_its_state_and_not_what_was_pulled_out() {
    let mut host = host();
    host.slots[0].card.set_temperature(77);
    assert_eq!(host.store(0, Store::Remove, "1\n"), Ok(()));
    host.remove(1);
    assert_eq!((host.slots[0].link, &host.slots[0].bound), (Link::Removed, &None));
    assert_eq!(host.bus_store(BIND, NEAR), Err(Errno::ENODEV));
    assert_eq!(host.bus_store(BusFile::Rescan, "1"), Ok(()));
    assert_eq!((host.slots[0].link, host.slots[1].link), (Link::Up, Link::Gone));
    assert!(host.slots[0].bound.is_some() && host.slots[1].bound.is_none());
    let sensor = host.slots[0].card.fme_read(crate::card::regs::THERM_SENSOR);
    assert_eq!(sensor & 0x7f, 77);
}

/// A driver that was unbound by hand stays away until somebody binds it.
#[test]
fn neither_a_rescan_nor_an_insertion_binds() {
    let mut host = host();
    assert_eq!(host.bus_store(UNBIND, NEAR), Ok(()));
    assert_eq!(host.bus_store(BusFile::Rescan, "1"), Ok(()));
    host.insert(0);
    assert_eq!(host.slots[0].bound, None);
    assert_eq!(host.store(0, Store::NumVfs, "0"), Ok(()));
    assert_eq!(host.store(0, Store::NumVfs, "1"), Err(Errno::ENOENT));
    assert_eq!(host.store(0, Store::PortErrors(0), "0"), Err(Errno::ENODEV));
}
