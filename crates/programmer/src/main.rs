//! `fpga-programmer`: prepares and cleans a node's regions for whoever asks by a socket that is root's alone.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = fpga_programmer::Args::parse_line(std::env::args_os());
    fpga_programmer::run(&args)
}
