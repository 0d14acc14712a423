//! What an operator gets to know, in the log and as Events of the node.

use std::collections::BTreeSet;

use fpga::card::Problem;
use fpga::names::{Mode, ResourceName};
use fpga_cluster::events::Reporter;
use fpga_cluster::told::Standing;

use crate::node::health::Condition;
use crate::node::inventory::Snapshot;
use crate::plugin::device::{Device, Health};
use crate::plugin::handout::Programming;
use crate::plugin::offer::Note;

/// What has been logged about the node.
#[derive(Debug, Default)]
pub(super) struct Told {
    mode: Option<Mode>,
    drivers: Option<bool>,
    notes: Standing<Note>,
    problems: Standing<(String, String)>,
    conditions: Standing<Condition>,
}

impl Told {
    /// Logs a mode when it comes into force, and returns true then.
    pub(super) fn enter(&mut self, mode: Mode, programming: Programming) -> bool {
        let before = self.mode.replace(mode);
        if before == Some(mode) {
            return false;
        }
        if before.is_some() {
            tracing::info!("FPGA device plugin switched to {mode} mode");
        }
        match (mode, programming) {
            (Mode::Region, Programming::None) => tracing::warn!(
                "regions are handed out with the function that is in them (--programming none)"
            ),
            (Mode::Af | Mode::RegionDevel, Programming::None) => tracing::info!(
                "ports are handed out as they are: nothing makes sure that their last user is gone, nor resets them; \
                 with the hook on this host, --claim-ports does"
            ),
            _ => {}
        }
        true
    }

    /// Logs what is new about the node, once.
    pub(super) fn tell(&mut self, found: &Snapshot, notes: BTreeSet<Note>, reporter: &Reporter) {
        let inventory = &found.inventory;
        let loaded = !inventory.drivers.is_empty();
        match self.drivers.replace(loaded) {
            before if before == Some(loaded) => {}
            None if loaded => {}
            _ if loaded => tracing::info!("an FPGA driver has been loaded"),
            _ => tracing::warn!("no FPGA driver is loaded; waiting for one"),
        }
        for note in self.notes.update(notes).0 {
            tracing::warn!("{}: {}", note.object, note.message);
        }
        let all = inventory.all_problems().chain(&found.problems);
        let problems =
            all.map(|Problem { object, message }| (object.clone(), message.clone())).collect();
        for (object, message) in self.problems.update(problems).0 {
            tracing::warn!("{object}: {message}");
        }
        self.tell_conditions(found, reporter);
    }

    /// Logs what is wrong with cards and makes no device unhealthy; of the rest the devices' lines tell.
    fn tell_conditions(&mut self, found: &Snapshot, reporter: &Reporter) {
        let told = found.conditions.iter().filter(|condition| !condition.unhealthy);
        let conditions: BTreeSet<Condition> = told.cloned().collect();
        let (new, gone) = self.conditions.update(conditions);
        for condition in new {
            let Condition { card, slot, reason, message, .. } = &condition;
            tracing::warn!(board = %card, "port" = slot, %reason, "{message}");
            let slot = slot.as_ref().map(|slot| format!(", {slot}")).unwrap_or_default();
            let note = format!("card {card}{slot}: {message}");
            reporter.warn(reason.event(), note);
        }
        for condition in gone {
            let Condition { card, slot, reason, message, .. } = &condition;
            tracing::info!(board = %card, "port" = slot, %reason, "no longer: {message}");
        }
    }
}
/// Logs what an operator would otherwise have to ask the kubelet about.
pub(super) fn tell_health(
    name: &ResourceName,
    old: &[Device],
    new: &[Device],
    reporter: &Reporter,
) {
    for device in new {
        let before = old.iter().find(|d| d.id == device.id).map(|d| &d.health);
        match (&device.health, before) {
            (now, Some(before)) if now == before => {}
            (Health::Unhealthy { reason, message }, _) => {
                tracing::warn!(resource = %name, device = device.id, %reason, "device is unhealthy: {message}");
                let note = format!("device {} of {name} is unhealthy: {message}", device.id);
                reporter.warn(reason.event(), note);
            }
            (Health::Healthy, Some(_)) => {
                tracing::info!(resource = %name, device = device.id, "device is healthy again");
                let note = format!("device {} of {name} is healthy again", device.id);
                reporter.tell("FpgaHealthy", note);
            }
            (Health::Healthy, None) => {
                tracing::info!(resource = %name, device = device.id, "device found")
            }
        }
    }
    for device in old.iter().filter(|d| new.iter().all(|n| n.id != d.id)) {
        tracing::info!(resource = %name, device = device.id, "device is gone");
    }
}
