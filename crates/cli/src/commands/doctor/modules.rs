//! The parts of the in-tree driver that reconfigure: a manager, and for each region a bridge and the region proper,
//! each with a module of its own that `dfl-pci` does not need (`pr_mgmt_init` in `drivers/fpga/dfl-fme-pr.c`).

use fpga::board::{Board, Driver, Problem};
use fpga::root::Root;

use super::host::children;
use fpga_findings::Finding;

/// What a device of the engine is called up to its number, its driver, and the module with that driver.
const PARTS: [(&str, &str, &str); 3] = [
    ("dfl-fme-mgr.", "dfl-fme-mgr", "dfl-fme-mgr"),
    ("dfl-fme-bridge.", "dfl-fme-bridge", "dfl-fme-br"),
    ("dfl-fme-region.", "dfl-fme-region", "dfl-fme-region"),
];

/// The parts of a card that no driver is bound to, with what binds one.
#[derive(Debug, Default)]
pub(super) struct Unbound {
    devices: Vec<String>,
    missing: Vec<&'static str>,
}

impl Unbound {
    /// Looks below a card's management engine.
    pub(super) fn of(root: &Root, board: &Board) -> Self {
        let mut unbound = Self::default();
        if board.driver != Driver::Dfl {
            return unbound;
        }
        let engine = root.platform_device(&board.fme.node.name);
        let names = children(&engine).unwrap_or_default();
        for (prefix, driver, module) in PARTS {
            let parts = names.iter().filter(|name| name.starts_with(prefix));
            let driverless: Vec<_> =
                parts.filter(|name| !engine.join(name).join("driver").exists()).collect();
            if !driverless.is_empty() && !root.platform_driver(driver).exists() {
                unbound.missing.push(module);
            }
            unbound.devices.extend(driverless.into_iter().cloned());
        }
        unbound
    }

    /// True when a problem is about one of them.
    pub(super) fn explains(&self, problem: &Problem) -> bool {
        let about = |text: &str| self.devices.iter().any(|device| text.contains(device));
        about(&problem.object) || about(&problem.message)
    }

    /// What binds them. A region waits for the manager: both come with one command.
    pub(super) fn fix(&self) -> String {
        match self.missing.as_slice() {
            [] => "dmesg | grep -i -e dfl -e fpga".to_owned(),
            missing => format!("modprobe -a {}", missing.join(" ")),
        }
    }

    /// That the card cannot be programmed, if a part is unbound.
    pub(super) fn finding(&self, board: &Board) -> Option<Finding> {
        if self.devices.is_empty() {
            return None;
        }
        let what = format!("no driver is bound to {}", self.devices.join(", "));
        let cause = match self.missing.as_slice() {
            [] => "the driver refused them: the kernel's log says why".to_owned(),
            missing => format!("modules that are not loaded: {}", missing.join(", ")),
        };
        let object = format!("{} ({})", board.pci.address, board.fme.node.name);
        let finding = Finding::error(object, format!("cannot be programmed: {what}"));
        Some(finding.because(cause).fix(self.fix()))
    }
}
