//! `fpga-lab`: the suite on the real Linux DFL driver, without a card and without root.
//!
//! On the host it starts the emulated cards and boots User Mode Linux on them, a fresh guest for each case ([`host`]).
//! In the guest it is the first process, with the host's files read-only below it ([`guest`]), and plays the case
//! ([`cases`]) with the real binaries on the real `/sys` and `/dev`.

mod cases;
mod cli;
mod guest;
mod host;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    // The kernel's command line hands its first process this word.
    if std::process::id() == 1 && std::env::args().nth(1).as_deref() == Some(guest::WORD) {
        guest::run();
    }
    cli::run()
}
