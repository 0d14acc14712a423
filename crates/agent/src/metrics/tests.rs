use std::collections::BTreeSet;
use std::time::Duration;

use fpga::card::{Driver, PowerState, SlotVitals, Temperature, Vitals};
use fpga::names::{Mode, Naming, RegionDevelName};
use fpga::records::{RunResult, Stage};
use fpga::stack::intel::errors::Register;
use fpga_demo::exposition::{self, Metric};

use super::*;
use crate::node::health::Reason;
use crate::node::units::units;
use crate::plugin::offer::{Memory, Settings, plan};
use crate::status::Phase;
use crate::testing::{NLB0, NLB3, card, inventory, loaded};

const A10: &str = "fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6";

fn resource() -> ResourceName {
    A10.parse().unwrap()
}

/// Everything that can happen has happened.
fn eventful() -> (Metrics, Status) {
    let (metrics, status) = (Metrics::default(), Status::default());
    let card = card(Driver::Dfl, 0x10, 0, &[loaded(NLB0), loaded(NLB3)]);
    let vitals = Vitals {
        temperature: Some(Temperature { now: 95_500, max: Some(90_000), critical: Some(93_000) }),
        power: Some(27_250_000),
        errors: vec![Register::read_fme("catfatal_errors", 1 << 9)],
        slots: vec![SlotVitals {
            name: "dfl-port.0".to_owned(),
            power_state: Some(PowerState::Tenth),
            errors: vec![Register::read_port("errors", 1 << 63 | 1 << 48)],
        }],
    };
    let condition = Condition {
        card: card.id,
        slot: Some("dfl-port.0".to_owned()),
        reason: Reason::SlotError,
        unhealthy: true,
        message: "page fault".to_owned(),
    };
    let id = card.id;
    let mut snapshot = inventory(vec![card]);
    snapshot.conditions = vec![condition];
    let settings =
        Settings { mode: Mode::Region, naming: Naming::Plain, regiondevel: RegionDevelName::Own };
    let offer = plan(&units(&snapshot), settings, &Memory::default(), &BTreeSet::new()).offer;
    metrics.offered(offer, &snapshot.conditions);
    metrics.node(Done::Scanned { took: Duration::from_millis(2), problems: 3 });
    let model = Some("a model");
    let checked = Checked { card: id, model, driver: Driver::Dfl, vitals };
    metrics.node(Done::Checked(vec![checked]));
    metrics.allocated(&resource(), 2);
    metrics.refused(&resource(), Refusal::Unhealthy);
    metrics.registered(&resource());
    metrics.kubelet_started(1);
    let record = Record {
        stage: Stage::Create,
        result: RunResult::Done,
        milliseconds: 1200,
        programmed: vec![700, 300],
    };
    metrics.hook_ran(&Taken { records: vec![record], malformed: 1 });
    metrics.cleaned(Cleaning::Done);
    metrics.event(Sending::Sent);
    metrics.following_grants(Some(watch::channel(None).1));
    status.set(&resource(), Phase::Registered);
    (metrics, status)
}

fn value(metrics: &[Metric], sample: &str) -> Option<f64> {
    metrics.iter().find_map(|metric| metric.samples.get(sample).copied())
}

#[test]
fn the_text_is_what_prometheus_wants() {
    let (metrics, status) = eventful();
    let text = metrics.text(&status).unwrap();
    let metrics = exposition::parse(&text);
    exposition::lint(&metrics, PREFIX);
    for (sample, expected) in [
        (format!("devices{{resource=\"{A10}\",state=\"healthy\"}}"), 1.0),
        (format!("devices{{resource=\"{A10}\",state=\"unhealthy\"}}"), 1.0),
        (
            format!(
                "device_unhealthy{{resource=\"{A10}\",device=\"dfl-fme.0-port0\",card=\"0000:10:00.0\",reason=\"port_error\"}}"
            ),
            1.0,
        ),
        ("card_temperature_celsius{card=\"0000:10:00.0\"}".to_owned(), 95.5),
        ("card_power_watts{card=\"0000:10:00.0\"}".to_owned(), 27.25),
        ("port_power_state{card=\"0000:10:00.0\",port=\"dfl-port.0\"}".to_owned(), 2.0),
        (
            "latched_error{card=\"0000:10:00.0\",port=\"\",register=\"catfatal_errors\",error=\"CrcCatastErr\"}".to_owned(),
            1.0,
        ),
        (
            "latched_error{card=\"0000:10:00.0\",port=\"dfl-port.0\",register=\"errors\",error=\"bit_63\"}".to_owned(),
            1.0,
        ),
        (format!("allocations_total{{resource=\"{A10}\"}}"), 2.0),
        (format!("registered{{resource=\"{A10}\"}}"), 1.0),
        ("programmings_total".to_owned(), 2.0),
        ("programming_duration_seconds_sum".to_owned(), 1.0),
        ("programming_duration_seconds_bucket{le=\"0.5\"}".to_owned(), 1.0),
        ("hook_runs_total{stage=\"create\",result=\"done\"}".to_owned(), 1.0),
        ("hook_malformed_results_total".to_owned(), 1.0),
        ("grants_age_seconds".to_owned(), 0.0),
    ] {
        let found = value(&metrics, &format!("{PREFIX}_{sample}"));
        assert_eq!(found, Some(expected), "{sample} in:\n{text}");
    }
}

#[test]
fn what_is_gone_is_not_shown() {
    let (metrics, status) = eventful();
    metrics.offered(Offer::default(), &[]);
    metrics.node(Done::Checked(Vec::new()));
    metrics.withdrawn(&resource());
    status.remove(&resource());
    let text = metrics.text(&status).unwrap();
    for trace in [A10, "dfl-port", "0000:10"] {
        assert!(!text.contains(trace), "{trace} in:\n{text}");
    }
    exposition::lint(&exposition::parse(&text), PREFIX);
}

/// A node that gives out no region keeps no grants.
#[test]
fn the_age_of_grants_is_shown_while_they_are_followed() {
    let (metrics, status) = (Metrics::default(), Status::default());
    let age = || {
        let text = metrics.text(&status).unwrap();
        value(&exposition::parse(&text), &format!("{PREFIX}_grants_age_seconds"))
    };
    assert_eq!(age(), None);
    let since = Instant::now().checked_sub(Duration::from_secs(90)).unwrap();
    metrics.following_grants(Some(watch::channel(Some(since)).1));
    assert!(age().is_some_and(|age| age >= 90.0));
    metrics.following_grants(None);
    assert_eq!(age(), None);
}

/// The reference is made of what is shown.
#[test]
fn the_reference_is_up_to_date() {
    let (metrics, status) = eventful();
    let metrics = exposition::parse(&metrics.text(&status).unwrap());
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| format!("`{reason}`")).collect();
    let reasons = format!("A `reason` of a device or card is one of {}.", reasons.join(", "));
    let expected = format!("{}\n{reasons}\n", exposition::table(&metrics));
    exposition::compare_with_reference("fpga-agent", &expected);
}
