//! States as gauges, made when somebody asks for them.

use std::fmt::Display;
use std::sync::atomic::AtomicU64;

use fpga::card::PowerState;
use fpga::errors::ErrorRegister;
use fpga::id::DeviceId;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::{Checked, Labels, State};
use crate::plugin::device::{Device, Health};
use crate::status::{Phase, Status};

type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

pub(super) fn register(r: &mut Registry, state: &State, status: &Status) {
    let build = one(&[("version", &env!("CARGO_PKG_VERSION"))]);
    r.register("build_info", "1, with the version of the agent", build);
    let standby = Gauges::default();
    set(&standby, &[], count(usize::from(status.is_standby())));
    let help = "Whether the agent waits until the node's other agent ends: 1, or 0";
    r.register("standby", help, standby);
    devices(r, state);
    registrations(r, status);
    cards(r, &state.cards);
    slots(r, &state.cards);
    let conditions = Gauges::default();
    for condition in &state.conditions {
        let slot = condition.slot.as_deref().unwrap_or_default();
        let labels: [(_, &dyn Display); 4] = [
            ("card", &condition.card),
            ("port", &slot),
            ("reason", &condition.reason),
            ("unhealthy", &condition.unhealthy),
        ];
        set(&conditions, &labels, 1.0);
    }
    let help = "1 for each thing that is wrong with a card or, with its name, a port";
    r.register("conditions", help, conditions);
    if let Some(lost) = &state.grants_lost {
        let age = Gauges::default();
        let since = *lost.borrow();
        set(&age, &[], since.map_or(0.0, |since| since.elapsed().as_secs_f64()));
        let help = "Time since the API server last answered about AcceleratorFunction objects, in region mode; 0 while it does";
        r.register_with_unit("grants_age", help, Unit::Seconds, age);
    }
    let problems = Gauges::default();
    set(&problems, &[], count(state.problems));
    let help = "Objects of the node that the newest scan could not read";
    r.register("scan_problems", help, problems);
}

fn devices(r: &mut Registry, state: &State) {
    let (devices, unhealthy) = (Gauges::default(), Gauges::default());
    for (resource, all) in &state.offer {
        let healthy = all.iter().filter(|device| device.is_healthy()).count();
        for (state, number) in [("healthy", healthy), ("unhealthy", all.len() - healthy)] {
            set(&devices, &[("resource", resource), ("state", &state)], count(number));
        }
        for Device { id, place: DeviceId { card, .. }, health, .. } in all {
            let Health::Unhealthy { reason, .. } = health else { continue };
            let labels: [(_, &dyn Display); 4] =
                [("resource", resource), ("device", id), ("card", card), ("reason", reason)];
            set(&unhealthy, &labels, 1.0);
        }
    }
    r.register("devices", "Devices in the lists that the kubelet gets, by state", devices);
    let help = "1 for each device that is unhealthy, with the worst reason";
    r.register("device_unhealthy", help, unhealthy);
}

fn registrations(r: &mut Registry, status: &Status) {
    let registered = Gauges::default();
    for (resource, phase) in status.phases() {
        let is_registered = phase == Phase::Registered;
        set(&registered, &[("resource", &resource)], count(usize::from(is_registered)));
    }
    let help = "Whether the kubelet has the resource registered: 1, or 0";
    r.register("registered", help, registered);
}

fn cards(r: &mut Registry, cards: &[Checked]) {
    let (info, temperature, limit, power) =
        (Gauges::default(), Gauges::default(), Gauges::default(), Gauges::default());
    for Checked { card, model, driver, vitals } in cards {
        let model = model.unwrap_or("unknown");
        set(&info, &[("card", card), ("model", &model), ("driver", driver)], 1.0);
        if let Some(known) = vitals.temperature {
            set(&temperature, &[("card", card)], f64::from(known.now) / 1000.0);
            for (name, value) in [("max", known.max), ("critical", known.critical)] {
                if let Some(value) = value {
                    let labels: [(_, &dyn Display); 2] = [("card", card), ("threshold", &name)];
                    set(&limit, &labels, f64::from(value) / 1000.0);
                }
            }
        }
        if let Some(microwatts) = vitals.power {
            set(&power, &[("card", card)], watts(microwatts));
        }
    }
    r.register("card_info", "1 for each card, with its model and driver", info);
    let celsius = || Unit::Other("celsius".to_owned());
    let help = "Temperature of a card at the last check";
    r.register_with_unit("card_temperature", help, celsius(), temperature);
    let help = "Temperatures from which a card throttles its functions: to half, and to a tenth";
    r.register_with_unit("card_temperature_threshold", help, celsius(), limit);
    let help = "Power that a card took at the last check";
    r.register_with_unit("card_power", help, Unit::Other("watts".to_owned()), power);
}

fn slots(r: &mut Registry, cards: &[Checked]) {
    let (power_state, errors) = (Gauges::default(), Gauges::default());
    for Checked { card, vitals, .. } in cards {
        let latched = |registers: &[ErrorRegister], slot: &str| {
            for register in registers {
                for error in &register.errors {
                    let bit = format!("bit_{}", error.bit);
                    let name = error.name.unwrap_or(&bit);
                    let labels: [(_, &dyn Display); 4] = [
                        ("card", card),
                        ("port", &slot),
                        ("register", &register.name),
                        ("error", &name),
                    ];
                    set(&errors, &labels, 1.0);
                }
            }
        };
        latched(&vitals.errors, "");
        for slot in &vitals.slots {
            latched(&slot.errors, &slot.name);
            if let Some(state) = slot.power_state {
                set(&power_state, &[("card", card), ("port", &slot.name)], throttle(state));
            }
        }
    }
    let help = "Power state of a port: 0 normal, 1 (AP1) half speed, 2 (AP2) a tenth, 6 (AP6) off";
    r.register("port_power_state", help, power_state);
    let help = "1 for each error that a card or, with its name, a port has latched";
    r.register("latched_error", help, errors);
}

fn throttle(state: PowerState) -> f64 {
    f64::from(match state {
        PowerState::Normal => 0,
        PowerState::Half => 1,
        PowerState::Tenth => 2,
        PowerState::Off => 6,
        PowerState::Unknown(other) => other,
    })
}

fn one(labels: &[(&'static str, &dyn Display)]) -> Gauges {
    let gauges = Gauges::default();
    set(&gauges, labels, 1.0);
    gauges
}

fn set(gauges: &Gauges, labels: &[(&'static str, &dyn Display)], value: f64) {
    let labels: Labels = labels.iter().map(|(name, value)| (*name, value.to_string())).collect();
    gauges.get_or_create(&labels).set(value);
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

/// Whole milliwatts are exact enough, and fit.
fn watts(microwatts: u64) -> f64 {
    u32::try_from(microwatts / 1000).map_or(f64::INFINITY, |milli| f64::from(milli) / 1000.0)
}
