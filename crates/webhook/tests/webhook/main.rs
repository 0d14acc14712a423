//! The real binary against a stand-in API server, over real TLS.

// Helpers are no test functions to the lint, but a panic in them is a test's failure report too.
#![allow(clippy::unwrap_used)]

mod certificates;
mod check;
mod cluster;
mod conditions;
mod frames;
mod hostile;
mod lease;
mod limits;
mod reviews;
mod sync;
mod validating;
