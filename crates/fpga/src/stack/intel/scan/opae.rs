//! Intel's out-of-tree driver (`intel-fpga-pci` and its companions).
//!
//! Its FME has one reconfigurable region, whose interface id is `pr/interface_id`; a card that cannot
//! be reconfigured has no `pr`.

use super::Flavour;
use super::object::Object;
use crate::card::{Driver, Region};
use crate::stack::intel::driver::node::{OPAE_FME, OPAE_PORT};

/// Its class directory.
pub(in crate::stack::intel) const CLASS: &str = "fpga";

pub(in crate::stack::intel) const FLAVOUR: Flavour = Flavour {
    driver: Driver::Opae,
    container: "intel-fpga-dev.",
    class: CLASS,
    fme: OPAE_FME,
    port: OPAE_PORT,
    // Early versions call the nonfatal ones `bbs_errors` and the fatal ones `gbs_errors`.
    fme_errors: &[
        "pcie0_errors",
        "pcie1_errors",
        "nonfatal_errors",
        "catfatal_errors",
        "bbs_errors",
        "gbs_errors",
        "warning_errors",
        "fme-errors/errors",
        "fme-errors/first_error",
        "fme-errors/next_error",
    ],
    port_errors: &["errors", "first_error"],
    regions,
};

fn regions(fme: &mut Object<'_>) -> Vec<Region> {
    match fme.dir().sub("pr") {
        Ok(None) => Vec::new(),
        Ok(Some(_)) => {
            let interface_id = fme.id("pr/interface_id", "an interface id");
            vec![Region { name: fme.name().to_owned(), interface_id }]
        }
        Err(error) => {
            fme.problem("pr", error.desc());
            Vec::new()
        }
    }
}
