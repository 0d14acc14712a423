//! Upstream's tests of the three tree builders and of the choice between them: TestNewDevicePlugin*,
//! TestGetAfuTree*, TestGetRegionTree*, TestGetRegionDevelTree*, each for DFL and OPAE.

use std::time::{Duration, Instant};

use fpga::card::{Card, Driver, Function};
use fpga::id::InterfaceId;
use fpga::names::Named;

use super::*;
use crate::node::health::Condition;
use crate::node::inventory::Snapshot;
use crate::node::units::units;
use crate::node::vanished::Vanished;
use crate::testing::{A10, NLB0, NLB3, card, card_id, inventory, loaded};

const AF: Settings =
    Settings { mode: Mode::Af, naming: Naming::Plain, regiondevel: RegionDevelName::Own };
const ENCODED: Settings = Settings { naming: Naming::Encoded, ..AF };
const REGION: Settings = Settings { mode: Mode::Region, ..AF };
const REGION_DEVEL: Settings = Settings { mode: Mode::RegionDevel, ..AF };
const SHARED: Settings = Settings { regiondevel: RegionDevelName::Shared, ..REGION_DEVEL };

const CRASHED: InterfaceId = InterfaceId::new(u128::MAX);

fn fresh(cards: Vec<Card>, settings: Settings) -> Plan {
    plan(&units(&inventory(cards)), settings, &Memory::default())
}

/// What the node offers while nobody holds anything.
fn plan(units: &[Unit], settings: Settings, memory: &Memory) -> Plan {
    super::plan(units, settings, memory, &BTreeSet::new())
}

/// One line a device: `resource id health nodes`.
fn lines(plan: &Plan) -> Vec<String> {
    let line = |name: &ResourceName, device: &Device| {
        let health = if device.is_healthy() { "healthy" } else { "unhealthy" };
        format!("{} {} {health} {}", name.device_type(), device.id, nodes(device))
    };
    plan.offer
        .iter()
        .flat_map(|(name, devices)| devices.iter().map(move |d| line(name, d)))
        .collect()
}

fn nodes(device: &Device) -> String {
    device.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(",")
}

fn notes(plan: &Plan) -> Vec<String> {
    plan.notes.iter().map(|note| format!("{}: {}", note.object, note.message)).collect()
}

/// Upstream: TestGetAfuTreeDFL, TestGetAfuTreeOPAE, TestNewDevicePluginDFL/af, TestNewDevicePluginOPAE/af.
#[test]
fn af_offers_each_port_under_its_function() {
    for (driver, prefix) in [(Driver::Dfl, "dfl"), (Driver::Opae, "intel-fpga")] {
        let cards = vec![
            card(driver, 0xa0, 2, &[loaded(NLB3)]),
            card(driver, 0x10, 0, &[loaded(NLB0), loaded(NLB3)]),
        ];
        let plan = fresh(cards, AF);
        assert_eq!(
            lines(&plan),
            [
                format!("af-{NLB0} {prefix}-port.0 healthy {prefix}-port.0"),
                format!("af-{NLB3} {prefix}-port.1 healthy {prefix}-port.1"),
                format!("af-{NLB3} {prefix}-port.2 healthy {prefix}-port.2"),
            ]
        );
        assert_eq!(plan.offer[&ResourceName::af(Naming::Plain, A10, NLB3)][1].numa_node, Some(1));
        assert!(plan.notes.is_empty());
    }
}

#[test]
fn af_can_use_the_encoded_names() {
    let plan = fresh(vec![card(Driver::Dfl, 0, 0, &[loaded(NLB0)])], ENCODED);
    assert_eq!(
        lines(&plan),
        ["af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs dfl-port.0 healthy dfl-port.0"]
    );
}

/// Upstream: TestGetRegionTreeDFL, TestGetRegionTreeOPAE, TestNewDevicePlugin*/region. Unlike there, a
/// card of several slots is one device a slot, and none gives the port of another.
#[test]
fn region_offers_each_slot() {
    for (driver, prefix) in [(Driver::Dfl, "dfl"), (Driver::Opae, "intel-fpga")] {
        let cards = vec![
            card(driver, 0x10, 0, &[loaded(NLB0)]),
            card(driver, 0x20, 1, &[loaded(NLB0), Function::Busy]),
        ];
        let plan = fresh(cards, REGION);
        assert_eq!(
            lines(&plan),
            [
                format!("region-{A10} {prefix}-fme.0 healthy {prefix}-port.0"),
                format!("region-{A10} {prefix}-fme.1-port0 healthy {prefix}-port.1"),
                format!("region-{A10} {prefix}-fme.1-port1 healthy {prefix}-port.2"),
            ]
        );
    }
}

/// Upstream: TestGetRegionDevelTreeDFL, TestGetRegionDevelTreeOPAE, TestNewDevicePlugin*/regiondevel.
#[test]
fn regiondevel_offers_the_card_with_its_management_node_last() {
    for (driver, prefix) in [(Driver::Dfl, "dfl"), (Driver::Opae, "intel-fpga")] {
        let plan = fresh(vec![card(driver, 0, 4, &[loaded(NLB0), loaded(NLB3)])], REGION_DEVEL);
        let nodes = format!("{prefix}-port.4,{prefix}-port.5,{prefix}-fme.4");
        assert_eq!(lines(&plan), [format!("regiondevel-{A10} {prefix}-fme.4 healthy {nodes}")]);
    }
}

/// As upstream has it: whoever asks for a region may get its management node.
#[test]
fn regiondevel_shares_the_name_of_region_mode_where_that_is_wanted() {
    let cards = vec![card(Driver::Dfl, 0, 0, &[loaded(NLB0)])];
    let nodes = "dfl-port.0,dfl-fme.0";
    let own = fresh(cards.clone(), REGION_DEVEL);
    assert_eq!(lines(&own), [format!("regiondevel-{A10} dfl-fme.0 healthy {nodes}")]);
    let shared = fresh(cards.clone(), SHARED);
    assert_eq!(lines(&shared), [format!("region-{A10} dfl-fme.0 healthy {nodes}")]);
    for settings in [AF, REGION] {
        let other = Settings { regiondevel: RegionDevelName::Shared, ..settings };
        assert_eq!(fresh(cards.clone(), other), fresh(cards.clone(), settings));
    }
}

#[test]
fn a_management_node_is_given_where_the_name_says_so_and_nowhere_else() {
    for settings in [AF, ENCODED, REGION, REGION_DEVEL] {
        let plan = fresh(vec![card(Driver::Dfl, 0, 0, &[loaded(NLB0), loaded(NLB3)])], settings);
        assert!(!plan.offer.is_empty());
        for (name, devices) in &plan.offer {
            let says_so = matches!(name.named(), Named::RegionDevel(_));
            let mut nodes = devices.iter().flat_map(|device| &device.nodes);
            assert_eq!(nodes.any(|node| node.name.contains("fme")), says_so, "{name}");
        }
    }
}

#[test]
fn a_fault_leaves_an_af_device_unhealthy_under_its_resource() {
    let before = fresh(vec![card(Driver::Dfl, 0, 0, &[loaded(NLB0), loaded(NLB3)])], AF);
    for fault in [
        Function::Busy,
        Function::Crashed,
        Function::Unreadable,
        loaded(fpga::id::AfuId::new(u128::MAX)),
    ] {
        let now = vec![card(Driver::Dfl, 0, 0, &[fault.clone(), loaded(NLB3)])];
        let first = plan(&units(&inventory(now.clone())), AF, &before.memory);
        // It is remembered for more than one scan.
        let second = plan(&units(&inventory(now)), AF, &first.memory);
        for plan in [first, second] {
            assert_eq!(
                lines(&plan),
                [
                    format!("af-{NLB0} dfl-port.0 unhealthy dfl-port.0"),
                    format!("af-{NLB3} dfl-port.1 healthy dfl-port.1"),
                ],
                "{fault:?}"
            );
        }
    }
}

#[test]
fn an_af_device_moves_when_another_function_is_loaded() {
    let before = fresh(vec![card(Driver::Dfl, 0, 0, &[loaded(NLB0)])], AF);
    let after = plan(
        &units(&inventory(vec![card(Driver::Dfl, 0, 0, &[loaded(NLB3)])])),
        AF,
        &before.memory,
    );
    assert_eq!(lines(&after), [format!("af-{NLB3} dfl-port.0 healthy dfl-port.0")]);
}

#[test]
fn what_was_never_known_is_not_offered_and_noted() {
    let faults = [Function::Busy, Function::Crashed, Function::Absent, Function::Unreadable];
    let plan = fresh(vec![card(Driver::Dfl, 0, 0, &faults)], AF);
    assert!(plan.offer.is_empty());
    assert_eq!(
        notes(&plan),
        [
            "dfl-port.0: not offered: it is being reconfigured",
            "dfl-port.1: not offered: its function reads as all ones: the firmware crashed",
            "dfl-port.2: not offered: no driver shows its function",
            "dfl-port.3: not offered: its function cannot be read",
        ]
    );
}

#[test]
fn a_crashed_card_stays_under_its_region_unhealthy() {
    let own = ResourceName::regiondevel(RegionDevelName::Own, A10);
    for (settings, name) in [(REGION, ResourceName::region(A10)), (REGION_DEVEL, own)] {
        let mut card = card(Driver::Dfl, 0, 0, &[loaded(NLB0)]);
        let before = fresh(vec![card.clone()], settings);
        card.regions[0].interface_id = Some(CRASHED);
        let after = plan(&units(&inventory(vec![card.clone()])), settings, &before.memory);
        assert_eq!(after.offer.keys().collect::<Vec<_>>(), [&name]);
        assert!(!after.offer[&name][0].is_healthy());

        let unknown = fresh(vec![card], settings);
        assert!(unknown.offer.is_empty());
        assert_eq!(
            notes(&unknown),
            ["dfl-fme.0: not offered: its interface id reads as all ones: the firmware crashed"]
        );
    }
}

#[test]
fn a_crashed_card_takes_its_functions_down_under_their_own_names() {
    let mut card = card(Driver::Dfl, 0, 0, &[loaded(NLB0)]);
    let before = fresh(vec![card.clone()], AF);
    card.regions[0].interface_id = Some(CRASHED);
    let after = plan(&units(&inventory(vec![card])), AF, &before.memory);
    assert_eq!(lines(&after), [format!("af-{NLB0} dfl-port.0 unhealthy dfl-port.0")]);
}

/// OFS: nobody can tell what is loaded, so only who programs by himself gets it.
#[test]
fn a_port_without_an_id_is_offered_in_regiondevel_alone() {
    let card = || vec![card(Driver::Dfl, 0, 0, &[Function::Anonymous])];
    for settings in [AF, REGION] {
        let plan = fresh(card(), settings);
        assert!(plan.offer.is_empty(), "{settings:?}");
        let [note] = notes(&plan).try_into().unwrap();
        assert!(
            note.ends_with("not offered: its port shows no function id, as with OFS"),
            "{note}"
        );
    }
    let plan = fresh(card(), REGION_DEVEL);
    assert_eq!(lines(&plan), [format!("regiondevel-{A10} dfl-fme.0 healthy dfl-port.0,dfl-fme.0")]);
}

#[test]
fn a_port_without_a_driver_is_unhealthy_under_its_name() {
    let now = |function: Function| units(&inventory(vec![card(Driver::Dfl, 0, 0, &[function])]));
    let expected = [
        (AF, format!("af-{NLB0} dfl-port.0 unhealthy dfl-port.0")),
        (REGION, format!("region-{A10} dfl-fme.0 unhealthy dfl-port.0")),
        (REGION_DEVEL, format!("regiondevel-{A10} dfl-fme.0 unhealthy dfl-port.0,dfl-fme.0")),
    ];
    for (settings, line) in expected {
        let before = plan(&now(loaded(NLB0)), settings, &Memory::default());
        let after = plan(&now(Function::Absent), settings, &before.memory);
        assert_eq!(lines(&after), [line]);
    }
}

#[test]
fn reconfiguration_does_not_disturb_a_region() {
    for function in [Function::Busy, Function::Crashed, Function::Unreadable] {
        let plan = fresh(vec![card(Driver::Dfl, 0, 0, &[function])], REGION);
        assert_eq!(lines(&plan), [format!("region-{A10} dfl-fme.0 healthy dfl-port.0")]);
    }
}

/// The kernel answers the same during a programming, which the snapshot tells apart.
#[test]
fn a_region_whose_programming_failed_is_unhealthy() {
    let cards = vec![card(Driver::Dfl, 0, 0, &[Function::Busy, loaded(NLB0)])];
    let snapshot =
        || Snapshot { disabled: ["dfl-port.0".to_owned()].into(), ..inventory(cards.clone()) };
    let region = plan(&units(&snapshot()), REGION, &Memory::default());
    assert_eq!(
        lines(&region),
        [
            format!("region-{A10} dfl-fme.0-port0 unhealthy dfl-port.0"),
            format!("region-{A10} dfl-fme.0-port1 healthy dfl-port.1"),
        ]
    );
    let failed = Health::Unhealthy {
        reason: Reason::ProgrammingFailed,
        message: "the last programming failed: run `fpgactl recover`".to_owned(),
    };
    let device = &region.offer[&ResourceName::region(A10)][0];
    assert_eq!(device.health, failed);

    let before = fresh(vec![card(Driver::Dfl, 0, 0, &[loaded(NLB3)])], AF);
    let after = plan(&units(&snapshot()), AF, &before.memory);
    let device = &after.offer[&ResourceName::af(Naming::Plain, A10, NLB3)][0];
    assert_eq!(device.health, failed);
}

#[test]
fn a_card_without_interface_id_is_offered_where_the_name_does_not_need_it() {
    let mut card = card(Driver::Dfl, 0, 0, &[loaded(NLB0)]);
    card.regions[0].interface_id = None;
    let offered = fresh(vec![card.clone()], AF);
    assert_eq!(lines(&offered), [format!("af-{NLB0} dfl-port.0 healthy dfl-port.0")]);
    for (settings, object) in
        [(ENCODED, "dfl-port.0"), (REGION, "dfl-fme.0"), (REGION_DEVEL, "dfl-fme.0")]
    {
        let plan = fresh(vec![card.clone()], settings);
        assert!(plan.offer.is_empty());
        assert_eq!(
            notes(&plan),
            [format!("{object}: not offered: its interface id cannot be read")]
        );
    }
}

#[test]
fn one_bad_card_among_four_hides_none_of_the_others() {
    let mut cards: Vec<Card> =
        (0..4).map(|i| card(Driver::Dfl, i, usize::from(i), &[loaded(NLB0)])).collect();
    cards[2].regions.clear();
    cards[2].slots[0].function = Function::Unreadable;
    for settings in [AF, ENCODED, REGION, REGION_DEVEL] {
        let plan = fresh(cards.clone(), settings);
        assert_eq!(plan.offer.values().map(Vec::len).sum::<usize>(), 3, "{settings:?}");
        assert_eq!(plan.notes.len(), 1, "{settings:?}");
    }
}

#[test]
fn nodes_that_do_not_exist_are_not_given() {
    let mut card = card(Driver::Dfl, 0, 0, &[loaded(NLB0)]);
    card.slots[0].nodes[0].number = None;
    for (settings, note) in [
        (AF, "dfl-port.0: not offered: it has no device node"),
        (REGION, "dfl-fme.0: not offered: it has no port node"),
    ] {
        let plan = fresh(vec![card.clone()], settings);
        assert!(plan.offer.is_empty());
        assert_eq!(notes(&plan), [note]);
    }
    assert_eq!(
        lines(&fresh(vec![card], REGION_DEVEL)),
        [format!("regiondevel-{A10} dfl-fme.0 healthy dfl-fme.0")]
    );
}

#[test]
fn two_devices_never_share_an_id() {
    let cards =
        vec![card(Driver::Dfl, 0, 0, &[loaded(NLB0)]), card(Driver::Dfl, 1, 0, &[loaded(NLB0)])];
    let plan = fresh(cards, AF);
    assert_eq!(lines(&plan).len(), 1);
    assert_eq!(notes(&plan), ["dfl-port.0: not offered: another card has a device of this name"]);
}

/// Upstream: TestNewDevicePlugin's cases without a driver, which are fatal there.
#[test]
fn no_driver_and_no_cards_offer_nothing() {
    for settings in [AF, REGION, REGION_DEVEL] {
        assert_eq!(
            plan(&units(&Snapshot::default()), settings, &Memory::default()),
            Plan::default()
        );
    }
}

fn ill(card: u8, slot: Option<&str>, reason: Reason, message: &str) -> Condition {
    Condition {
        card: card_id(card),
        slot: slot.map(str::to_owned),
        reason,
        unhealthy: true,
        message: message.to_owned(),
    }
}

#[test]
fn a_condition_hits_the_devices_that_it_is_about() {
    let cards = vec![
        card(Driver::Dfl, 0x10, 0, &[loaded(NLB0), loaded(NLB0)]),
        card(Driver::Dfl, 0x20, 2, &[loaded(NLB0)]),
    ];
    let with = |conditions: &[Condition], settings| {
        let snapshot = Snapshot { conditions: conditions.to_vec(), ..inventory(cards.clone()) };
        let plan = plan(&units(&snapshot), settings, &Memory::default());
        let devices = plan.offer.into_values().flatten().filter(|device| !device.is_healthy());
        devices.map(|device| device.id).collect::<Vec<_>>()
    };
    let card = ill(0x10, None, Reason::Temperature, "hot");
    let port = ill(0x10, Some("dfl-port.1"), Reason::SlotError, "fault");
    let told = Condition { unhealthy: false, ..card.clone() };
    for (conditions, af, region, devel) in [
        (
            [card].as_slice(),
            vec!["dfl-port.0", "dfl-port.1"],
            vec!["dfl-fme.0-port0", "dfl-fme.0-port1"],
            vec!["dfl-fme.0"],
        ),
        (&[port], vec!["dfl-port.1"], vec!["dfl-fme.0-port1"], vec!["dfl-fme.0"]),
        (&[told], vec![], vec![], vec![]),
    ] {
        assert_eq!(with(conditions, AF), af);
        assert_eq!(with(conditions, REGION), region);
        assert_eq!(with(conditions, REGION_DEVEL), devel);
    }
}

#[test]
fn the_worst_reason_is_told_with_the_words_for_all() {
    let conditions = vec![
        ill(0, Some("dfl-port.0"), Reason::SlotError, "a page fault"),
        ill(0, None, Reason::FatalError, "memory"),
    ];
    let cards = vec![card(Driver::Dfl, 0, 0, &[loaded(NLB0)])];
    let snapshot = Snapshot { conditions, ..inventory(cards) };
    let plan = plan(&units(&snapshot), REGION, &Memory::default());
    let expected = Health::Unhealthy {
        reason: Reason::FatalError,
        message: "a page fault; memory".to_owned(),
    };
    assert_eq!(plan.offer[&ResourceName::region(A10)][0].health, expected);
}

#[test]
fn the_devices_of_a_vanished_card_stay_for_a_while() {
    const KEEP: Duration = Duration::from_secs(600);
    /// What is known after a step, and when the next is due.
    struct After {
        plan: Plan,
        vanished: Vanished,
        again_at: Option<Instant>,
    }
    let start = Instant::now();
    let cards = || {
        vec![
            card(Driver::Dfl, 0x10, 0, &[loaded(NLB0)]),
            card(Driver::Dfl, 0x20, 1, &[loaded(NLB3), loaded(NLB0)]),
        ]
    };
    let first = |keep| {
        let mut vanished = Vanished::new(keep);
        let mut units = units(&inventory(cards()));
        let again_at = vanished.add_to(&mut units, start);
        After { plan: plan(&units, AF, &Memory::default()), vanished, again_at }
    };
    let step = |cards, before: &After, seconds| {
        let mut vanished = before.vanished.clone();
        let mut units = units(&inventory(cards));
        let again_at = vanished.add_to(&mut units, start + Duration::from_secs(seconds));
        After { plan: plan(&units, AF, &before.plan.memory), vanished, again_at }
    };
    let all = first(KEEP);
    assert_eq!(all.again_at, None);

    let one = vec![card(Driver::Dfl, 0x10, 0, &[loaded(NLB0)])];
    let gone = step(one.clone(), &all, 1);
    let expected = [
        format!("af-{NLB0} dfl-port.0 healthy dfl-port.0"),
        format!("af-{NLB0} dfl-port.2 unhealthy dfl-port.2"),
        format!("af-{NLB3} dfl-port.1 unhealthy dfl-port.1"),
    ];
    assert_eq!(lines(&gone.plan), expected);
    assert_eq!(gone.again_at, Some(start + Duration::from_secs(601)));
    let still = step(one.clone(), &gone, 600);
    assert_eq!(lines(&still.plan), expected);
    assert_eq!(still.again_at, gone.again_at);
    assert_eq!(lines(&step(one.clone(), &still, 601).plan).len(), 1);
    assert_eq!(lines(&step(one, &first(Duration::ZERO), 1).plan).len(), 1);

    // It comes back with other numbers: what it was called is forgotten.
    let other = vec![
        card(Driver::Dfl, 0x10, 0, &[loaded(NLB0)]),
        card(Driver::Dfl, 0x20, 5, &[loaded(NLB3), loaded(NLB0)]),
    ];
    assert_eq!(lines(&step(other, &still, 602).plan).len(), 3);
    // Another card takes over the number of one of them.
    let successor = vec![card(Driver::Dfl, 0x30, 1, &[loaded(NLB0)])];
    let succeeded = step(successor, &still, 10);
    assert_eq!(
        lines(&succeeded.plan),
        [
            format!("af-{NLB0} dfl-port.1 healthy dfl-port.1"),
            format!("af-{NLB0} dfl-port.0 unhealthy dfl-port.0"),
            format!("af-{NLB0} dfl-port.2 unhealthy dfl-port.2"),
        ]
    );
    assert!(succeeded.plan.notes.is_empty(), "what is gone goes without a word");
}

/// A device that could not be named when its card vanished keeps the name that it had before.
#[test]
fn a_card_that_vanishes_during_a_fault_keeps_its_names() {
    let before = fresh(vec![card(Driver::Dfl, 0, 0, &[loaded(NLB0)])], AF);
    let mut vanished = Vanished::new(Duration::from_secs(600));
    let mut faulty = units(&inventory(vec![card(Driver::Dfl, 0, 0, &[Function::Unreadable])]));
    vanished.add_to(&mut faulty, Instant::now());
    let fault = plan(&faulty, AF, &before.memory);
    let mut left = Vec::new();
    vanished.add_to(&mut left, Instant::now());
    let after = plan(&left, AF, &fault.memory);
    assert_eq!(lines(&after), [format!("af-{NLB0} dfl-port.0 unhealthy dfl-port.0")]);
    let Health::Unhealthy { reason, .. } =
        &after.offer[&ResourceName::af(Naming::Plain, A10, NLB0)][0].health
    else {
        panic!("healthy")
    };
    assert_eq!(*reason, Reason::Vanished);
}

fn held(devices: &[(&ResourceName, &str)]) -> BTreeSet<Held> {
    let held = |&(resource, id): &(&ResourceName, &str)| Held {
        resource: resource.clone(),
        id: id.to_owned(),
    };
    devices.iter().map(held).collect()
}

fn plan_held(cards: Vec<Card>, settings: Settings, held: &BTreeSet<Held>) -> Plan {
    super::plan(&units(&inventory(cards)), settings, &Memory::default(), held)
}

/// Why devices are unhealthy, each of which somebody must hold.
fn messages(plan: &Plan) -> Vec<&str> {
    let mut messages = Vec::new();
    for device in plan.offer.values().flatten() {
        if let Health::Unhealthy { reason, message } = &device.health {
            assert_eq!(*reason, Reason::Held);
            messages.push(message.as_str());
        }
    }
    messages
}

/// What is held under the name that it has is the kubelet's own affair.
#[test]
fn what_is_held_as_it_is_offered_stays_healthy() {
    let af = ResourceName::af(Naming::Plain, A10, NLB0);
    let region = ResourceName::region(A10);
    let whole = ResourceName::regiondevel(RegionDevelName::Own, A10);
    let cards = || vec![card(Driver::Dfl, 0, 0, &[loaded(NLB0)])];
    for (settings, name, id) in [
        (AF, &af, "dfl-port.0"),
        (REGION, &region, "dfl-fme.0"),
        (REGION_DEVEL, &whole, "dfl-fme.0"),
    ] {
        let plan = plan_held(cards(), settings, &held(&[(name, id)]));
        assert_eq!(plan.offer, fresh(cards(), settings).offer, "{settings:?}");
    }
}

/// After a change of the mode a second pod got the same port.
#[test]
fn what_is_held_under_another_name_is_unhealthy_under_both() {
    let cards = || vec![card(Driver::Dfl, 0, 0, &[loaded(NLB0), loaded(NLB3)])];
    let af = ResourceName::af(Naming::Plain, A10, NLB0);
    let region = ResourceName::region(A10);

    let plan = plan_held(cards(), AF, &held(&[(&region, "dfl-fme.0-port0")]));
    let expected = [
        format!("af-{NLB0} dfl-port.0 unhealthy dfl-port.0"),
        format!("af-{NLB3} dfl-port.1 healthy dfl-port.1"),
        format!("region-{A10} dfl-fme.0-port0 unhealthy dfl-port.0"),
    ];
    assert_eq!(lines(&plan), expected);
    let words = [
        format!("a pod holds it as device dfl-fme.0-port0 of {region}"),
        "a pod has held it since before its mode or function changed".to_owned(),
    ];
    assert_eq!(messages(&plan), words);
    let over = |plan: &Plan| plan.offer.values().flatten().filter(|d| d.is_over).count();
    assert_eq!(over(&plan), 1);

    let plan = plan_held(cards(), REGION, &held(&[(&af, "dfl-port.0")]));
    let expected = [
        format!("af-{NLB0} dfl-port.0 unhealthy dfl-port.0"),
        format!("region-{A10} dfl-fme.0-port0 unhealthy dfl-port.0"),
        format!("region-{A10} dfl-fme.0-port1 healthy dfl-port.1"),
    ];
    assert_eq!(lines(&plan), expected);
    // Released.
    assert_eq!(plan_held(cards(), REGION, &held(&[])).offer, fresh(cards(), REGION).offer);
}

/// Another function by hand, or a card that has another's number.
#[test]
fn a_held_port_with_another_function_is_not_offered_as_that() {
    let af = ResourceName::af(Naming::Plain, A10, NLB0);
    let now = vec![card(Driver::Dfl, 0, 0, &[loaded(NLB3)])];
    let plan = plan_held(now, AF, &held(&[(&af, "dfl-port.0")]));
    let expected = [
        format!("af-{NLB0} dfl-port.0 unhealthy dfl-port.0"),
        format!("af-{NLB3} dfl-port.0 unhealthy dfl-port.0"),
    ];
    assert_eq!(lines(&plan), expected);
}

#[test]
fn a_held_card_holds_its_slots_and_a_held_slot_its_card() {
    let cards = || {
        vec![
            card(Driver::Dfl, 0x10, 0, &[loaded(NLB0), loaded(NLB3)]),
            card(Driver::Dfl, 0x20, 2, &[loaded(NLB0)]),
        ]
    };
    let region = ResourceName::region(A10);
    let whole = ResourceName::regiondevel(RegionDevelName::Own, A10);
    let devices = |plan: &Plan, name: &ResourceName| {
        let all = plan.offer[name].iter();
        all.map(|device| (device.id.clone(), device.is_healthy())).collect::<Vec<_>>()
    };
    let expected = |all: &[(&str, bool)]| {
        all.iter().map(|(id, healthy)| ((*id).to_owned(), *healthy)).collect::<Vec<_>>()
    };
    let card = plan_held(cards(), REGION, &held(&[(&whole, "dfl-fme.0")]));
    let all = [("dfl-fme.0-port0", false), ("dfl-fme.0-port1", false), ("dfl-fme.2", true)];
    assert_eq!(devices(&card, &region), expected(&all));
    assert_eq!(devices(&card, &whole), expected(&[("dfl-fme.0", false)]));
    let slot = plan_held(cards(), REGION_DEVEL, &held(&[(&region, "dfl-fme.0-port1")]));
    assert_eq!(devices(&slot, &whole), expected(&[("dfl-fme.0", false), ("dfl-fme.2", true)]));
    assert_eq!(devices(&slot, &region), expected(&[("dfl-fme.0-port1", false)]));
    let over = |plan: &Plan, name: &ResourceName| {
        let over = plan.offer[name].iter().filter(|device| device.is_over);
        over.map(|device| (device.id.clone(), nodes(device))).collect::<Vec<_>>()
    };
    // The management node is nobody's any more.
    let ports = "dfl-port.0,dfl-port.1".to_owned();
    assert_eq!(over(&card, &whole), [("dfl-fme.0".to_owned(), ports)]);
    assert_eq!(over(&slot, &region), [("dfl-fme.0-port1".to_owned(), "dfl-port.1".to_owned())]);
}

/// A pod's device that is not there any more can be given to nobody else either.
#[test]
fn what_is_held_and_gone_is_not_listed() {
    let af = ResourceName::af(Naming::Plain, A10, NLB0);
    let cards = || vec![card(Driver::Dfl, 0, 7, &[loaded(NLB0)])];
    let plan = plan_held(cards(), AF, &held(&[(&af, "dfl-port.0")]));
    assert_eq!(lines(&plan), [format!("af-{NLB0} dfl-port.7 healthy dfl-port.7")]);
}
