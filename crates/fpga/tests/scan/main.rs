//! Scans of emulated machines, whole and damaged.

// In helpers too, a panic is the failure report.
#![allow(clippy::unwrap_used)]

mod cost;
mod damage;
mod live;
mod node;
mod shapes;
mod vitals;
