//! One run, from the command line to the exit code.

use std::ffi::OsString;
use std::io;
use std::time::Instant;

use fpga::root::Root;
use fpga::store::Store;

use crate::args::{Args, Stage};
use crate::failure::{Code, Failure};
use crate::input::{Config, State};
use crate::program::Program;
use crate::report::{self, Report};
use crate::session::Session;
use crate::{create, record};

/// Runs the hook with the words after the program's name. If they are wrong, or ask for help or the version, that is
/// printed and the process ends.
pub fn run_alone(program: Program, words: impl IntoIterator<Item = OsString>) -> Code {
    let (args, trees) = program.parse(words);
    run(program, &args, &trees.root())
}

/// Does what the runtime asks on standard input, and reports on standard error what went wrong.
pub fn run(program: Program, args: &Args, root: &Root) -> Code {
    let started = Instant::now();
    let mut report = Report::new(program.name(), args.verbose, report::to_stderr);
    let timeout = args.stage.limit(args.timeout);
    let session = Session::new(root, Store::new(&args.store), timeout, &args.blank);
    if let Err(failure) = (Hook { args, session }).run(&mut report) {
        report.failure(&failure);
    }
    record::leave(args, &report, started.elapsed());
    report.code()
}

/// What a stage works with.
pub(crate) struct Hook<'a> {
    pub(crate) args: &'a Args,
    pub(crate) session: Session<'a>,
}

impl Hook<'_> {
    fn run(&self, report: &mut Report) -> Result<(), Failure> {
        let state = State::read(io::stdin().lock())?;
        report.about(&state.id);
        match self.args.stage {
            Stage::CreateRuntime => {
                create::run(self, &state, &Config::read(&state.bundle()?)?, report)
            }
            // Nothing that the runtime or the bundle says matters but the container's id. CRI-O runs this when a
            // container is removed, which may be hours after others got its regions; the bundle may be gone; and a
            // container that was not let start has nothing to clean.
            Stage::Poststop => self.session.clean(&state.owner(), report),
        }
    }
}
