use clap::ValueEnum as _;
use fpga::card::{Driver, Temperature};
use fpga::stack::intel::errors::Register;

use super::*;
use crate::testing::{NLB3, card, loaded};

const DEFAULT: [Cause; 4] =
    [Cause::FatalErrors, Cause::SlotErrors, Cause::PowerOff, Cause::Temperature];

fn judge(unhealthy_on: &[Cause]) -> Judge {
    Judge::new(Policy {
        unhealthy_on: unhealthy_on.to_vec(),
        temperature_limit: None,
        hysteresis: 5000,
    })
}

fn register(name: &str, value: u64) -> Vec<ErrorRegister> {
    vec![Register::read_fme(name, value)]
}

fn port_register(value: u64) -> Vec<ErrorRegister> {
    vec![Register::read_port("errors", value)]
}

fn at(degrees: u32) -> Vitals {
    let temperature =
        Temperature { now: degrees * 1000, max: Some(90_000), critical: Some(93_000) };
    Vitals { temperature: Some(temperature), ..Vitals::default() }
}

fn slot(power_state: Option<PowerState>, errors: Vec<ErrorRegister>) -> Vitals {
    let slot = SlotVitals { name: "dfl-port.0".to_owned(), power_state, errors };
    Vitals { slots: vec![slot], ..Vitals::default() }
}

/// `reason, unhealthy or not, message` of what is found of one card.
fn found(judge: &mut Judge, vitals: &Vitals) -> Vec<String> {
    found_with(judge, vitals, &[])
}

/// The same when reading went wrong in these ways.
fn found_with(judge: &mut Judge, vitals: &Vitals, problems: &[(&str, &str)]) -> Vec<String> {
    let card = card(Driver::Dfl, 0x10, 0, &[loaded(NLB3)]);
    let problem = |(object, message): &(&str, &str)| Problem {
        object: (*object).to_owned(),
        message: (*message).to_owned(),
    };
    let problems: Vec<Problem> = problems.iter().map(problem).collect();
    let found = judge.look([(&card, (vitals, &problems))]);
    let line = |condition: &Condition| {
        let harm = if condition.unhealthy { "unhealthy" } else { "told" };
        let of = condition.slot.as_deref().unwrap_or("card");
        format!("{of} {} {harm}: {}", condition.reason, condition.message)
    };
    found.iter().map(line).collect()
}

#[test]
fn a_hot_card_must_cool_some_way() {
    let mut judge = judge(&DEFAULT);
    let hot = ["card temperature unhealthy: the card is at 93 °C or above"];
    let warm = ["card temperature told: the card is at 90 °C or above"];
    for (degrees, expected) in [
        (89, [].as_slice()),
        (92, &warm),
        (93, &hot),
        (120, &hot),
        (88, &hot),
        (87, &warm),
        (92, &warm),
        (85, &warm),
        (84, &[]),
        (89, &[]),
    ] {
        assert_eq!(found(&mut judge, &at(degrees)), expected, "{degrees}");
    }
}

#[test]
fn the_operator_sets_the_limit() {
    let policy =
        Policy { unhealthy_on: DEFAULT.into(), temperature_limit: Some(70_000), hysteresis: 0 };
    let mut judge = Judge::new(policy);
    assert_eq!(
        found(&mut judge, &at(70)),
        ["card temperature unhealthy: the card is at 70 °C or above"]
    );
    assert_eq!(found(&mut judge, &at(69)), [""; 0]);
}

#[test]
fn a_sensor_that_fails_cools_no_card() {
    let mut judge = judge(&DEFAULT);
    found(&mut judge, &at(99));
    assert_eq!(found(&mut judge, &Vitals::default()).len(), 1);
    // But a card that was gone is a new one.
    judge.look([]);
    assert_eq!(found(&mut judge, &Vitals::default()), [""; 0]);
}

#[test]
fn errors_are_as_bad_as_their_bits() {
    let card = |name, value| Vitals { errors: register(name, value), ..Vitals::default() };
    for (vitals, expected) in [
        (
            card("catfatal_errors", 1 << 9),
            "card fatal_error unhealthy: checksum error in the configuration memory",
        ),
        (card("nonfatal_errors", 1 << 6), "card nonfatal_error told: injected warning"),
        (card("fme_errors", 1), "card fatal_error unhealthy: error in the fabric"),
        (
            slot(None, port_register(1 << 48)),
            "dfl-port.0 port_error unhealthy: page fault on a request of the function",
        ),
        (
            slot(None, port_register(1 << 9)),
            "dfl-port.0 nonfatal_error told: register read while the port was in reset",
        ),
    ] {
        assert_eq!(found(&mut judge(&DEFAULT), &vitals), [expected]);
    }
    let both = card("pcie0_errors", 1 << 8 | 1);
    assert_eq!(found(&mut judge(&DEFAULT), &both).len(), 2);
    assert_eq!(found(&mut judge(&DEFAULT), &card("unheard-of", 1)), [""; 0]);
}

/// The card says that some port has a fatal error; what of a port nobody has a name for is taken for it.
#[test]
fn an_unknown_error_of_a_port_is_as_bad_as_the_card_says() {
    const UNKNOWN: u64 = 1 << 52;
    let with = |port_errors: u64, card_errors: &str, value: u64| Vitals {
        errors: register(card_errors, value),
        ..slot(None, port_register(port_errors))
    };
    for (vitals, expected) in [
        (slot(None, port_register(UNKNOWN)), vec!["dfl-port.0 nonfatal_error told: bit 52"]),
        (
            with(UNKNOWN, "nonfatal_errors", 1 << 3),
            vec![
                "card nonfatal_error told: fatal error of a port",
                "dfl-port.0 port_error unhealthy: bit 52",
            ],
        ),
        (
            with(UNKNOWN, "bbs_errors", 1 << 3),
            vec![
                "card nonfatal_error told: fatal error of a port",
                "dfl-port.0 port_error unhealthy: bit 52",
            ],
        ),
        // A known error is as bad as it ever was.
        (
            with(1 << 9, "nonfatal_errors", 1 << 3),
            vec![
                "card nonfatal_error told: fatal error of a port",
                "dfl-port.0 nonfatal_error told: register read while the port was in reset",
            ],
        ),
        // Another error of the card confirms nothing.
        (
            with(UNKNOWN, "nonfatal_errors", 1 << 6),
            vec![
                "card nonfatal_error told: injected warning",
                "dfl-port.0 nonfatal_error told: bit 52",
            ],
        ),
    ] {
        assert_eq!(found(&mut judge(&DEFAULT), &vitals), expected);
    }
    let told = found(&mut judge(&[]), &with(UNKNOWN, "nonfatal_errors", 1 << 3));
    assert!(told[1].starts_with("dfl-port.0 port_error told"), "{told:?}");
}

#[test]
fn registers_that_cannot_be_read_are_not_without_errors() {
    let of = |on: &[Cause], problems: &[(&str, &str)]| {
        found_with(&mut judge(on), &Vitals::default(), problems)
    };
    let (card, port) = ("dfl-fme.0/errors", "dfl-port.0/errors");
    let broken = "fme_errors: Input/output error";
    assert_eq!(
        of(&DEFAULT, &[(card, broken)]),
        [
            "card unreadable unhealthy: error registers cannot be read: fme_errors: Input/output error"
        ]
    );
    assert_eq!(
        of(&DEFAULT, &[(port, "errors: all ones: the card does not answer")]),
        [
            "dfl-port.0 unreadable unhealthy: error registers cannot be read: errors: all ones: the card does not answer"
        ]
    );
    // The directory itself.
    assert_eq!(of(&DEFAULT, &[("dfl-port.0", "errors: Input/output error")]).len(), 1);
    // Whoever does not mind the errors does not mind that nobody reads them.
    for (on, object) in [(Cause::SlotErrors, card), (Cause::FatalErrors, port)] {
        assert!(of(&[on], &[(object, broken)])[0].contains(" unreadable told: "));
    }
    // This process may not, which says nothing of the card.
    assert!(of(&DEFAULT, &[(card, "fme_errors: Permission denied")])[0].contains(" told: "));
    // What is no error register is no matter.
    for other in [("dfl-port.0", "power_state: Input/output error"), ("dfl-port.1/errors", broken)]
    {
        assert_eq!(of(&DEFAULT, &[other]), [""; 0]);
    }
}

#[test]
fn power_states_are_of_the_port() {
    let mut judge = judge(&DEFAULT);
    let of = |judge: &mut Judge, state: u8| {
        found(judge, &slot(Some(PowerState::from(state)), Vec::new()))
    };
    assert_eq!(of(&mut judge, 0), [""; 0]);
    assert_eq!(
        of(&mut judge, 1),
        ["dfl-port.0 throttled told: power state AP1: the function is throttled to half"]
    );
    assert_eq!(
        of(&mut judge, 2),
        ["dfl-port.0 throttled told: power state AP2: the function is throttled to a tenth"]
    );
    assert!(of(&mut judge, 6)[0].starts_with("dfl-port.0 power_off unhealthy: power state AP6"));
    assert_eq!(of(&mut judge, 9), [""; 0]);
}

#[test]
fn each_cause_can_be_switched() {
    let cases = [
        (Cause::FatalErrors, Vitals { errors: register("catfatal_errors", 1), ..at(20) }),
        (Cause::NonfatalErrors, Vitals { errors: register("nonfatal_errors", 4), ..at(20) }),
        (Cause::SlotErrors, slot(None, port_register(1))),
        (Cause::PowerOff, slot(Some(PowerState::Off), Vec::new())),
        (Cause::Temperature, at(99)),
        (Cause::Throttling, slot(Some(PowerState::Half), Vec::new())),
    ];
    for (cause, vitals) in &cases {
        let card = card(Driver::Dfl, 0x10, 0, &[loaded(NLB3)]);
        let others: Vec<Cause> =
            Cause::value_variants().iter().copied().filter(|c| c != cause).collect();
        for (on, unhealthy) in [(vec![*cause], true), (others, false)] {
            let found = judge(&on).look([(&card, (vitals, &Vec::new()))]);
            let [one] = found.as_slice() else { panic!("{cause:?}: {found:?}") };
            assert_eq!(one.unhealthy, unhealthy, "{cause:?} of {on:?}");
        }
    }
}
