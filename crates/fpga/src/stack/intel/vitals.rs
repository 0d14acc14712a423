//! Error registers, the power states of the ports, and the sensors. In the in-tree driver
//! the sensors are hwmon devices below the management engine (`drivers/fpga/dfl-fme-main.c`), in the
//! out-of-tree one attributes of it. A card whose sensors are elsewhere, as on a board with a management
//! controller, has none here.
//!
//! The drivers could signal errors on an eventfd (`DFL_FPGA_FME_ERR_SET_IRQ`,
//! `DFL_FPGA_PORT_ERR_SET_IRQ`), but only to who keeps the node open, and that costs the node's users too
//! much: a port is reset and its memory let go when the last one closes it (`afu_release` in
//! `dfl-afu-main.c`), so that a watcher would keep both from happening; no port that is open can be given
//! to a virtual function; nobody can have a node that is open to himself (`O_EXCL`); and there is one
//! eventfd, which would be taken from a tool that set its own.

use super::errors::Register;
use super::scan::object::Object;
use super::scan::{Flavour, dfl, opae};
use crate::card::{Card, Driver, PowerState, Problem, SlotVitals, Temperature, Vitals};
use crate::root::Root;

/// Names of the hwmon devices of a management engine (`drivers/fpga/dfl-fme-main.c`).
const THERMAL: &str = "dfl_fme_thermal";
const POWER: &str = "dfl_fme_power";

/// Reads how `card` is. What cannot be read is left out, and a problem.
pub(super) fn vitals(root: &Root, card: &Card) -> (Vitals, Vec<Problem>) {
    let flavour = match card.driver {
        Driver::Dfl => &dfl::FLAVOUR,
        Driver::Opae => &opae::FLAVOUR,
    };
    let mut problems = Vec::new();
    let mut vitals = Vitals::default();
    let name = &card.name;
    if let Some(mut fme) = Object::open(name, &root.platform_device(name), &mut problems) {
        vitals.errors = fme.errors(&whole(flavour.fme_errors), Register::read_fme);
        match card.driver {
            Driver::Dfl => hwmon(&mut fme, &mut vitals),
            Driver::Opae => management(&mut fme, &mut vitals),
        }
    }
    let ports = card.slots.iter().map(|port| port.name.as_str());
    vitals.slots = ports.filter_map(|name| port(root, flavour, name, &mut problems)).collect();
    (vitals, problems)
}

fn port(
    root: &Root,
    flavour: &Flavour,
    name: &str,
    problems: &mut Vec<Problem>,
) -> Option<SlotVitals> {
    let mut port = Object::open(name, &root.platform_device(name), problems)?;
    Some(SlotVitals {
        name: name.to_owned(),
        power_state: port.number::<u8>("power_state").map(PowerState::from),
        errors: port.errors(&whole(flavour.port_errors), Register::read_port),
    })
}

fn whole(registers: &[&'static str]) -> Vec<&'static str> {
    let repeats = |name: &str| name.ends_with("first_error") || name.ends_with("next_error");
    registers.iter().copied().filter(|name| !repeats(name)).collect()
}

fn hwmon(fme: &mut Object<'_>, vitals: &mut Vitals) {
    // None is what a card without sensors has.
    for device in fme.dir().numbered("hwmon", "hwmon").unwrap_or_default() {
        let at = |attribute: &str| format!("hwmon/{device}/{attribute}");
        match fme.text(&at("name")).as_deref() {
            Some(THERMAL) => {
                vitals.temperature = fme.number(&at("temp1_input")).map(|now| Temperature {
                    now,
                    max: threshold(fme.number(&at("temp1_max"))),
                    critical: threshold(fme.number(&at("temp1_crit"))),
                });
            }
            Some(POWER) => vitals.power = fme.number(&at("power1_input")),
            _ => {}
        }
    }
}

/// Degrees and watts in the out-of-tree driver.
fn management(fme: &mut Object<'_>, vitals: &mut Vitals) {
    let mut degrees = |attribute: &str| {
        let degrees: Option<u32> = fme.number(&format!("thermal_mgmt/{attribute}"));
        degrees.and_then(|degrees| degrees.checked_mul(1000))
    };
    vitals.temperature = degrees("temperature").map(|now| Temperature {
        now,
        max: threshold(degrees("threshold1")),
        critical: threshold(degrees("threshold2")),
    });
    let watts: Option<u64> = fme.number("power_mgmt/consumed");
    vitals.power = watts.and_then(|watts| watts.checked_mul(1_000_000));
}

/// A threshold of 0 is one that is not set.
fn threshold(value: Option<u32>) -> Option<u32> {
    value.filter(|value| *value > 0)
}
