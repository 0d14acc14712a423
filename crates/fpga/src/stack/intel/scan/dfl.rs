//! The in-tree driver, `drivers/fpga/dfl*.c`.
//!
//! It registers a base region per card, which is only a container, and below the FME one platform
//! device `dfl-fme-region.N` per reconfigurable region, which holds the region proper:
//! `dfl-fme.0/dfl-fme-region.0/fpga_region/region1`. That one has the interface id (`compat_id`); the
//! base region has none and answers ENOENT, so it is not asked.

use nix::errno::Errno;

use super::Flavour;
use super::object::Object;
use crate::card::{Driver, Region};
use crate::stack::intel::driver::node::{DFL_FME, DFL_PORT};

/// Its class directory (`drivers/fpga/fpga-region.c`).
pub(in crate::stack::intel) const CLASS: &str = "fpga_region";

pub(in crate::stack::intel) const FLAVOUR: Flavour = Flavour {
    driver: Driver::Dfl,
    container: "region",
    class: CLASS,
    fme: DFL_FME,
    port: DFL_PORT,
    // Documentation/ABI/testing/sysfs-platform-dfl-fme and -port, without `inject_errors`, which is a
    // control, and `first_malformed_req`, which is a request and not a set of error bits.
    fme_errors: &[
        "pcie0_errors",
        "pcie1_errors",
        "nonfatal_errors",
        "catfatal_errors",
        "fme_errors",
        "first_error",
        "next_error",
    ],
    port_errors: &["errors", "first_error"],
    regions,
};

fn regions(fme: &mut Object<'_>) -> Vec<Region> {
    let names = match fme.dir().numbered(".", "dfl-fme-region.") {
        Ok(names) => names,
        Err(error) => {
            fme.problem("regions", error.desc());
            return Vec::new();
        }
    };
    names.into_iter().map(|name| region(fme, name)).collect()
}

fn region(fme: &mut Object<'_>, name: String) -> Region {
    let holder = format!("{name}/fpga_region");
    let interface_id = match fme.dir().numbered(&holder, "region").as_deref() {
        Ok([region, ..]) => interface_id(fme, &format!("{holder}/{region}/compat_id")),
        Ok([]) | Err(Errno::ENOENT) => {
            fme.problem(&name, "no region in it: is dfl-fme-region bound?");
            None
        }
        Err(error) => {
            fme.problem(&holder, error.desc());
            None
        }
    };
    Region { name, interface_id }
}

fn interface_id(fme: &mut Object<'_>, attr: &str) -> Option<crate::id::InterfaceId> {
    match fme.raw(attr) {
        Ok(None) => {
            fme.problem(
                attr,
                "the driver gives none, so no bitstream can be matched to the region",
            );
            None
        }
        _ => fme.id(attr, "an interface id"),
    }
}
