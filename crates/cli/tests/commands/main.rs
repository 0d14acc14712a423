//! The commands that change something, on emulated machines.

// In helpers too, a panic is the failure report.
#![allow(clippy::unwrap_used)]

mod bitstream;
mod errors;
mod install_host;
mod machine;
mod ports;
mod program;
mod recover;
mod watch;
