//! One run, from the command line to the exit code.

use std::ffi::OsString;
use std::io;
use std::time::Instant;

use fpga::deadline::Deadline;
use fpga::root::Root;
use fpga::store::Store;

use crate::args::{Args, Stage};
use crate::cards::{Cards, Driver};
use crate::failure::{Code, Failure};
use crate::input::{Config, State};
use crate::program::Program;
use crate::report::{self, Report};
use crate::{clean, create, record};

/// Runs the hook with the words after the program's name. If they are wrong, or ask for help or the version, that is
/// printed and the process ends.
pub fn run_alone(program: Program, words: impl IntoIterator<Item = OsString>) -> Code {
    let (args, trees) = program.parse(words);
    run(program, &args, &trees.root())
}

/// Does what the runtime asks on standard input, and reports on standard error what went wrong.
pub fn run(program: Program, args: &Args, root: &Root) -> Code {
    let started = Instant::now();
    let mut report = Report::new(program, args.verbose, report::to_stderr);
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
