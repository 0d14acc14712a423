//! The runtime hook without its process, and what must hold for every input of it: shared by the fuzz targets
//! and by the tests on their corpora.
//!
//! It is the hook's own code from what a runtime hands over to the choice of what goes into which port. Instead
//! of the work on a card there is a record of it, and instead of standard error a check of each line.

// A check that fails is what these are for.
#![allow(clippy::expect_used, clippy::missing_panics_doc)]

mod cards;
mod container;
mod env;
mod facts;
mod lines;
pub(crate) mod node;

pub use container::{check as check_container, split as split_container};
pub use env::check as check_environment;
pub use node::Node;
