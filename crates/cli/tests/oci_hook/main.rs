//! The runtime hook as a process: what a runtime gives it, cards that answer its ioctls, and what it
//! makes of them.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A panic in a test is the failure report.

mod accept;
mod aocx;
#[allow(dead_code)] // The other tests that include it use the rest.
#[path = "../../../fpga/tests/support/bitstream_writer.rs"]
mod bitstream_writer;
mod clean;
mod container;
mod crowd;
mod fuzz_corpus;
mod node;
mod owner;
mod reject;
mod results;
