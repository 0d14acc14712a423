//! The real program on emulated cards.

#![allow(clippy::unwrap_used)] // A panic in a test is the failure report.

mod node;
mod socket;
mod verbs;
