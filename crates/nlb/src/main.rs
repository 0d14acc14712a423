//! Native loopback: finds a port whose accelerator function is NLB, has it move memory, checks what
//! it did and prints how fast it was.
//!
//! It looks at device nodes only. In a container it sees the nodes that were given to it, while
//! sysfs shows every card of the host; a search by sysfs finds cards that are not there.

mod args;
mod data;
mod failure;
mod memory;
mod mode;
mod registers;
mod report;
mod run;
mod search;
mod status;
#[cfg(test)]
mod testing;
mod wait;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;

use args::Args;
use failure::Failure;
use memory::Buffers;
use mode::Mode;
use report::{Format, Report};
use run::Job;

fn main() -> ExitCode {
    let result = execute(&Args::parse());
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(format_args!("Error: {failure}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

fn execute(args: &Args) -> Result<(), Failure> {
    let found = search::find(&args.devfs(), args.mode)?;
    let buffers = Buffers::allocate(args.lines)?;
    if let Some(note) = buffers.note(args.lines) {
        say(format_args!("note: {note}"));
    }
    let job = Job {
        mode: args.mode,
        lines: buffers.lines(),
        continuous: args.continuous,
        timeout: args.timeout,
    };
    let report = run_on_port(&found, &buffers, &job)?;
    print(&report.print(args.output))?;
    // The port is free again: the search looks into it too.
    drop((buffers, found));
    args.absent.map_or(Ok(()), |mode| require_absence(args, mode))
}

/// A line on stderr. `eprintln!` would panic where stderr cannot be written, and change the exit code.
fn say(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// A reader that has seen enough, such as `head`, is a success.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(Failure::Output),
    }
}

/// Every port must have been looked into: one that could not be may hold the function.
fn require_absence(args: &Args, mode: Mode) -> Result<(), Failure> {
    match search::find(&args.devfs(), mode) {
        Err(Failure::NotFound { .. }) => {}
        Err(other) => return Err(other),
        Ok(found) => {
            let node = found.port.path().to_owned();
            return Err(Failure::Present { afu_id: mode.afu_id(), node });
        }
    }
    match args.output {
        Format::Table => print("SUCCESS\n"),
        Format::Json => Ok(()),
    }
}

/// The run itself. The port is reset before, to clear what an earlier user left in it, and after,
/// so that a function that did not stop is quiet before its memory is taken away.
fn run_on_port(found: &search::Found, buffers: &Buffers, job: &Job) -> Result<Report, Failure> {
    found.port.reset()?;
    let mappings = buffers.map(&found.port)?;
    let outcome = run::run(&found.registers, found.offset, &mappings.memory(), job);
    let reset = found.port.reset();
    let outcome = outcome.map_err(|problem| problem.on(found.port.path()))?;
    reset?;
    Ok(Report::new(found, job, &outcome))
}
