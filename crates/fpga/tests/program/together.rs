//! Many programmers at once.

use std::time::Duration;

use fpga_emulator::ctl::Command;

use crate::emulator::{Emulator, NLB0, NLB3, TWO_CARDS, eventually};
use crate::helper::{Report, Request, Verb};

#[test]
fn twenty_programmers_on_two_cards_never_overlap_on_one() {
    let emulator = Emulator::start(TWO_CARDS);
    for card in ["near", "far"] {
        emulator.control(&Command::PrTime { card: card.into(), ms: 20 });
    }
    let helpers: Vec<_> = (0..20)
        .map(|index| {
            let port = ["dfl-port.0", "dfl-port.1"][index % 2];
            let afu = [NLB0, NLB3][index / 2 % 2];
            let request = Request::new(Verb::Program, emulator.root(), port, afu);
            (port, emulator.spawn(&Request { reprogram: true, ..request }))
        })
        .collect();
    let reports: Vec<(&str, Report)> =
        helpers.into_iter().map(|(port, helper)| (port, helper.finish())).collect();
    for port in ["dfl-port.0", "dfl-port.1"] {
        let mut spans: Vec<_> =
            reports.iter().filter(|(p, _)| *p == port).map(|(_, report)| span(report)).collect();
        assert_eq!(spans.len(), 10);
        spans.sort_unstable();
        assert!(spans.is_sorted_by(|a, b| a.1 <= b.0), "overlapping: {spans:?}");
        let last = reports.iter().filter(|(p, _)| *p == port).max_by_key(|(_, r)| span(r)).unwrap();
        let loaded = last.1.one("done Programmed ");
        assert_eq!(emulator.function(port).to_string(), loaded, "the last one's function stays");
    }
}

/// When the driver had the card.
fn span(report: &Report) -> (u128, u128) {
    report.one("done Programmed ");
    (report.time("programming").unwrap(), report.time("reading back").unwrap())
}

/// One after the other is killed while it has the card, waits for it, or has not come so far; those
/// that are left all end well.
#[test]
fn programmers_that_are_killed_do_not_stop_the_others() {
    let emulator = Emulator::start(TWO_CARDS);
    emulator.control(&Command::PrTime { card: "near".into(), ms: 15 });
    let start = |index: usize| {
        let afu = [NLB0, NLB3][index % 2];
        let request = Request::new(Verb::Program, emulator.root(), "dfl-port.0", afu);
        emulator.spawn(&Request { reprogram: true, ..request })
    };
    let mut victims: Vec<_> = (0..10).map(start).collect();
    let others: Vec<_> = (0..6).map(start).collect();
    for (index, victim) in victims.iter_mut().enumerate() {
        // Moments that fall on different steps from run to run, and on programmings above all.
        if index % 2 == 0 {
            while victim.line().is_some_and(|line| !line.ends_with(" programming")) {}
        }
        std::thread::sleep(Duration::from_millis(index as u64));
        victim.kill();
    }
    for other in others {
        other.finish().one("done Programmed ");
    }
    // The last victim may have been killed after all others were done.
    let afu_id = emulator.tree().platform_device("dfl-port.0").join("afu_id");
    eventually("nobody programs the region", || std::fs::read(&afu_id).is_ok());
    let loaded = emulator.function("dfl-port.0").to_string();
    assert!([NLB0, NLB3].contains(&loaded.as_str()));
}
