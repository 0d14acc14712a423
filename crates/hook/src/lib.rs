//! The runtime hook: what a container runtime runs before a container starts and after it ended.
//!
//! It is a program of its own, `fpga-hook`, and a subcommand of `fpgactl`. A program of half the size has half the
//! pages to map, and a runtime waits for it whenever it starts a container with a region.
//!
//! The order of things, when a container is created: what the container is and wants is read (`input`,
//! `promise`); its devices are found among the node's ports by number, and each function that it was
//! promised gets a port (`plan`); all of them must be granted to its namespace (`permission`); only then
//! is a card touched (`create`). Afterwards the ports are cleaned for the next container (`clean`).

#![deny(missing_docs)]
// The doc comments of arguments are help texts, in which <...> stands for what is to be filled in.
#![allow(rustdoc::invalid_html_tags)]

mod args;
mod bitstream;
mod blank;
mod cards;
mod clean;
mod create;
mod failure;
mod input;
mod permission;
mod plan;
mod program;
mod promise;
mod record;
mod report;
mod run;
#[cfg(feature = "testing")]
pub mod testing;
mod trees;

pub use args::Args;
pub use failure::Code;
pub use program::{NAME, Program};
pub use run::{run, run_alone};
pub use trees::Trees;

/// Stands in every program that holds the hook, so that `fpgactl doctor` can tell its version without
/// running it: the version, in brackets.
#[used]
static MARK: &str = concat!("[kube-fpga hook ", env!("CARGO_PKG_VERSION"), "]");
