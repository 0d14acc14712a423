//! `fpgactl`: shows, programs and recovers the FPGA cards of a node.

// The doc comments of arguments are help texts, in which <...> stands for what is to be filled in.
#![allow(rustdoc::invalid_html_tags)]

use std::process::ExitCode;

use fpga_hook::Program;

mod args;
mod commands;
mod documented;
mod output;
mod progress;
mod status;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == fpga_hook::NAME) {
        return fpga_hook::run_alone(Program::Fpgactl, words).into();
    }
    let args = args::Args::from_environment();
    match commands::run(&args) {
        Ok(status) => status.into(),
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(format_args!("{error:#}"));
            status::of(&error).into()
        }
    }
}
