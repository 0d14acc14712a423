//! The runtime hook: what a container runtime runs before a container starts and after it ended.
//!
//! It is a program of its own, `fpga-hook`, and a subcommand of `fpgactl`. A program of half the size has half the
//! pages to map, and a runtime waits for it whenever it starts a container with a region.
//!
//! The order of things, when a container is created (`create`): what the container is and wants is read (`input`,
//! `promise`); its devices are found among the node's slots (`given`); all functions that it was promised must be
//! granted to its namespace (`permission`); each of them gets a slot (`plan`); only then is a card touched
//! ([`session`]). Afterwards the slots are cleaned for the next container.

#![deny(missing_docs)]
// The doc comments of arguments are help texts, in which <...> stands for what is to be filled in.
#![allow(rustdoc::invalid_html_tags)]

mod args;
mod bitstream;
mod blank;
mod cards;
mod create;
mod failure;
mod given;
mod input;
pub mod permission;
mod plan;
mod program;
mod promise;
mod record;
mod report;
mod run;
pub mod session;
#[cfg(feature = "testing")]
pub mod testing;
mod trees;

pub use args::Args;
pub use blank::Blank;
pub use failure::{Code, Failure};
pub use fpga::names::HOOK_COMMAND as NAME;
pub use plan::Slot;
pub use program::Program;
pub use promise::Promise;
pub use report::{Report, to_stderr};
pub use run::{run, run_alone};
pub use trees::Trees;

/// Stands in every program that holds the hook, so that `fpgactl doctor` can tell its version without
/// running it: the version, in brackets.
#[used]
static MARK: &str = concat!("[kube-fpga hook ", env!("CARGO_PKG_VERSION"), "]");
