//! The real binary against a stand-in kubelet, on emulated cards.
//!
//! The faults of the Go plugin that a test here would show are named with it.

// Helpers are no test functions to the lint, but a panic in them is a test's failure report too.
#![allow(clippy::unwrap_used)]

mod annotation;
mod api;
mod cdi;
mod changes;
mod conditions;
mod doubt;
mod emulated;
mod events;
mod faults;
mod grants;
mod handover;
mod health;
mod holdings;
mod idle;
mod kubelet;
mod metrics;
mod node;
mod offer;
mod programmer;
mod release;
mod tidy;
