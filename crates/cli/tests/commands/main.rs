//! The commands that change something, on emulated machines.

// In helpers too, a panic is the failure report.
#![allow(clippy::unwrap_used)]

mod aocx;
mod bitstream;
mod docs;
mod doctor;
mod errors;
mod install_host;
mod machine;
mod manual;
mod ports;
mod program;
mod recover;
mod watch;
