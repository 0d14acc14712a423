//! The parts of a driver that a card cannot be programmed without.

use crate::card::Problem;

/// The parts of a card that no driver is bound to, with what binds one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unbound {
    /// Names of the parts, as sysfs has them.
    pub devices: Vec<String>,
    /// Modules that are not loaded and have a driver for one of them.
    pub modules: Vec<&'static str>,
}

impl Unbound {
    /// True when a problem is about one of the parts.
    #[must_use]
    pub fn explains(&self, problem: &Problem) -> bool {
        let about = |text: &str| self.devices.iter().any(|device| text.contains(device));
        about(&problem.object) || about(&problem.message)
    }
}
