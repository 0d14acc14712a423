//! `fpga::program` in processes of their own, against an emulator that answers their ioctls.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A panic in a test is the failure report.

mod clock;
mod emulator;
mod failures;
mod helper;
mod ledger;
mod lock;
mod procedure;
mod recovery;
mod together;
