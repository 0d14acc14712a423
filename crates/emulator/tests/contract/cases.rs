//! The table.

mod attributes;
mod bus;
mod common;
mod dma;
mod errors;
mod information;
mod interrupts;
mod nodes;
mod opens;
mod ports;
mod program;
mod reset;
mod values;
mod vfs;

use crate::table::Case;

/// All rows, by what they are about.
pub(crate) const ALL: &[&[Case]] = &[
    common::ALL,
    information::ALL,
    dma::ALL,
    reset::ALL,
    interrupts::ALL,
    opens::ALL,
    nodes::ALL,
    attributes::ALL,
    values::ALL,
    errors::ALL,
    program::ALL,
    ports::ALL,
    vfs::ALL,
    bus::ALL,
];
