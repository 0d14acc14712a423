//! One run, from the command line to the exit code.

use std::ffi::OsString;
use std::io;
use std::time::Instant;

use clap::Parser as _;
use fpga::deadline::Deadline;
use fpga::root::Root;
use fpga::store::Store;

use crate::args::{Alone, Args, NAME, Stage};
use crate::cards::{Cards, Driver};
use crate::failure::{Code, Failure};
use crate::input::{Config, State};
use crate::report::{self, Report};
use crate::{clean, create, record};

/// Runs the command by itself, with these arguments. A command line that is wrong ends the process with
/// code 2.
pub fn alone(arguments: impl IntoIterator<Item = OsString>) -> Code {
    let alone = Alone::parse_from(std::iter::once(NAME.into()).chain(arguments));
    run(&alone.args, &alone.trees.root())
}

/// Does what the runtime asks on standard input, and says on standard error what went wrong.
pub fn run(args: &Args, root: &Root) -> Code {
    let started = Instant::now();
    let mut report = Report::new(args.verbose, report::to_stderr);
    if let Err(failure) = Hook::new(args, root, &Driver).run(&mut report) {
        report.failure(&failure);
    }
    record::leave(args, &report, started.elapsed());
    report.code()
}

/// What a stage works with.
pub(crate) struct Hook<'a> {
    pub(crate) root: &'a Root,
    pub(crate) store: Store,
    pub(crate) deadline: Deadline,
    pub(crate) args: &'a Args,
    pub(crate) cards: &'a dyn Cards,
}

impl<'a> Hook<'a> {
    /// The time that a run may take begins now.
    pub(crate) fn new(args: &'a Args, root: &'a Root, cards: &'a dyn Cards) -> Self {
        let (store, deadline) =
            (Store::new(&args.store), Deadline::after(args.stage.limit(args.timeout)));
        Self { root, store, deadline, args, cards }
    }

    fn run(&self, report: &mut Report) -> Result<(), Failure> {
        let state = State::read(io::stdin().lock())?;
        report.about(&state.id);
        match self.args.stage {
            Stage::CreateRuntime => {
                create::run(self, &state, &Config::read(&state.bundle()?)?, report)
            }
            Stage::Poststop => clean::run(self, &state, report),
        }
    }
}
