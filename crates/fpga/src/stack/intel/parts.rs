//! The parts of the in-tree driver that reconfigure: a manager, and for each region a bridge and the region proper,
//! each with a module of its own that `dfl-pci` does not need (`pr_mgmt_init` in `drivers/fpga/dfl-fme-pr.c`).

use std::fs;

use crate::card::{Card, Driver};
use crate::root::Root;

/// What a device of the engine is called up to its number, its driver, and the module with that driver.
const PARTS: [(&str, &str, &str); 3] = [
    ("dfl-fme-mgr.", "dfl-fme-mgr", "dfl-fme-mgr"),
    ("dfl-fme-bridge.", "dfl-fme-bridge", "dfl-fme-br"),
    ("dfl-fme-region.", "dfl-fme-region", "dfl-fme-region"),
];

/// The parts of a card that no driver is bound to.
#[derive(Debug, Default)]
pub struct Unbound {
    /// Their names.
    pub devices: Vec<String>,
    /// The modules that have their drivers and are not loaded.
    pub missing: Vec<&'static str>,
}

/// Looks below a card's management engine.
#[must_use]
pub fn unbound(root: &Root, card: &Card) -> Unbound {
    let mut unbound = Unbound::default();
    if card.driver != Driver::Dfl {
        return unbound;
    }
    let engine = root.platform_device(&card.name);
    let entries = fs::read_dir(&engine).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
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
