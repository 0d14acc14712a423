//! The parts of the in-tree driver that reconfigure: a manager, and for each region a bridge and the region proper,
//! each with a module of its own that `dfl-pci` does not need (`pr_mgmt_init` in `drivers/fpga/dfl-fme-pr.c`).

use crate::card::{Card, Driver};
use crate::root::Root;
use crate::stack::Unbound;
use crate::sysfs::Dir;

/// What a device of the engine is called up to its number, its driver, and the module with that driver.
const PARTS: [(&str, &str, &str); 3] = [
    ("dfl-fme-mgr.", "dfl-fme-mgr", "dfl-fme-mgr"),
    ("dfl-fme-bridge.", "dfl-fme-bridge", "dfl-fme-br"),
    ("dfl-fme-region.", "dfl-fme-region", "dfl-fme-region"),
];

/// Looks below a card's management engine. A region waits for the manager: both come with one command.
pub(super) fn unbound(root: &Root, card: &Card) -> Unbound {
    let mut unbound = Unbound::default();
    if card.driver != Driver::Dfl {
        return unbound;
    }
    let engine = root.platform_device(&card.name);
    let mut names = Dir::open(&engine).and_then(|dir| dir.names(".")).unwrap_or_default();
    names.sort();
    for (prefix, driver, module) in PARTS {
        let parts = names.iter().filter(|name| name.starts_with(prefix));
        let driverless: Vec<_> =
            parts.filter(|name| !engine.join(name).join("driver").exists()).collect();
        if !driverless.is_empty() && !root.platform_driver(driver).exists() {
            unbound.modules.push(module);
        }
        unbound.devices.extend(driverless.into_iter().cloned());
    }
    unbound
}
