//! The commands that change something, on emulated machines.

// In helpers too, a panic is the failure report.
#![allow(clippy::unwrap_used)]

mod aocx;
mod bitstream;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../../../fpga/tests/support/bitstream_writer.rs"]
mod bitstream_writer;
mod docs;
mod doctor;
mod errors;
mod install_host;
mod machine;
mod ports;
mod program;
mod recover;
mod watch;
