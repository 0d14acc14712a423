//! The runtime hook without its process: its own modules, from what a runtime hands over to the choice
//! of what goes into which port. Instead of the work on a card there is a record of it, and instead of
//! standard error a check of each line.
//!
//! `cargo test -p fpgactl` includes this file as well, so that it always goes with the hook.

use std::cell::RefCell;
use std::path::PathBuf;

use fpga::root::Root;
use fpga::store::Store;

use blank::Blank;
use deadline::Deadline;

#[path = "../../crates/cli/src/commands/oci_hook/annotations.rs"]
mod annotations;
#[path = "../../crates/cli/src/commands/oci_hook/bitstream.rs"]
mod bitstream;
#[path = "../../crates/cli/src/commands/oci_hook/blank.rs"]
mod blank;
#[path = "../../crates/cli/src/commands/oci_hook/clean.rs"]
#[allow(dead_code)] // What reads the container's configuration from its bundle.
mod clean;
#[path = "../../crates/cli/src/commands/oci_hook/config.rs"]
#[allow(dead_code)] // Likewise.
mod config;
#[path = "../../crates/cli/src/commands/oci_hook/create.rs"]
mod create;
#[path = "../../crates/cli/src/commands/oci_hook/deadline.rs"]
mod deadline;
#[path = "../../crates/cli/src/commands/oci_hook/failure.rs"]
#[allow(dead_code)] // Exit codes of programming.
mod failure;
#[path = "../../crates/cli/src/commands/oci_hook/input.rs"]
#[allow(dead_code)] // What opens a file.
mod input;
#[path = "../../crates/cli/src/commands/oci_hook/object.rs"]
mod object;
#[path = "../../crates/cli/src/commands/oci_hook/permission.rs"]
mod permission;
#[path = "../../crates/cli/src/commands/oci_hook/plan.rs"]
mod plan;
#[path = "../../crates/cli/src/commands/oci_hook/promise.rs"]
mod promise;
#[path = "../../crates/cli/src/commands/oci_hook/state.rs"]
mod state;

#[path = "hook/container.rs"]
pub(crate) mod container;
#[path = "hook/env.rs"]
pub(crate) mod env;
#[path = "hook/facts.rs"]
mod facts;
#[path = "hook/node.rs"]
pub(crate) mod node;
#[path = "hook/report.rs"]
mod report;
#[path = "hook/work.rs"]
mod work;

/// What the hook's stages work with.
struct Hook<'a> {
    root: &'a Root,
    store: Store,
    deadline: Deadline,
    args: &'a Args,
}

/// The part of its command line that they look at.
struct Args {
    grants: PathBuf,
    allow_any: bool,
    blank: Vec<Blank>,
}

thread_local! {
    /// What a card would have been asked to do.
    static DONE: RefCell<Vec<work::Done>> = const { RefCell::new(Vec::new()) };
}
