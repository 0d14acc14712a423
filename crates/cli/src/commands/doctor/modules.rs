//! The parts of a driver that reconfigure, each of which may lack its module.

use fpga::card::{Card, Problem};
use fpga::root::Root;
use fpga::stack;
use fpga_findings::Finding;

/// The parts of a card that no driver is bound to, with what binds one.
pub(super) struct Unbound(stack::Unbound);

impl Unbound {
    /// Looks at a card.
    pub(super) fn of(root: &Root, card: &Card) -> Self {
        Self(stack::unbound(root, card))
    }

    /// True when a problem is about one of them.
    pub(super) fn explains(&self, problem: &Problem) -> bool {
        let about = |text: &str| self.0.devices.iter().any(|device| text.contains(device));
        about(&problem.object) || about(&problem.message)
    }

    /// What binds them. A region waits for the manager: both come with one command.
    pub(super) fn fix(&self) -> String {
        match self.0.missing.as_slice() {
            [] => "dmesg | grep -i -e dfl -e fpga".to_owned(),
            missing => format!("modprobe -a {}", missing.join(" ")),
        }
    }

    /// That the card cannot be programmed, if a part is unbound.
    pub(super) fn finding(&self, card: &Card) -> Option<Finding> {
        if self.0.devices.is_empty() {
            return None;
        }
        let what = format!("no driver is bound to {}", self.0.devices.join(", "));
        let cause = match self.0.missing.as_slice() {
            [] => "the driver refused them: the kernel's log says why".to_owned(),
            missing => format!("modules that are not loaded: {}", missing.join(", ")),
        };
        let object = format!("{} ({})", card.id, card.name);
        let finding = Finding::error(object, format!("cannot be programmed: {what}"));
        Some(finding.because(cause).fix(self.fix()))
    }
}
