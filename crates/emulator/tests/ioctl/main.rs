//! Real system calls against a running emulator: this binary is both the test and the client.
//!
//! `main` without arguments runs the tests; `main client SCENARIO ROOT` is what they start under
//! `fpga-emulator exec`. As root every test runs twice, the second time wholly as uid 65534.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A panic in a test is the failure report.

mod client;
mod tests;

use fpga_emulator::testing::harness;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).map(String::as_str) == Some("client") {
        client::run(&arguments[2], std::path::Path::new(&arguments[3]));
    } else {
        harness::run(tests::ALL, arguments.into_iter().skip(1));
    }
}
