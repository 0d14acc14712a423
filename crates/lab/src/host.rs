//! The host's side: guests and the cards under them.

mod boot;
mod emulator;
mod processor;
mod serve;
mod words;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::cases::Case;
use crate::wire::{Ended, Task};
use boot::Guest;
use emulator::Emulator;

/// Only against hanging for ever: a guest that says nothing for longer is killed and its case has failed.
const LIMIT: Duration = Duration::from_secs(300);

/// What all guests have in common.
#[derive(Debug)]
pub(crate) struct Lab {
    kernel: PathBuf,
    /// This program, which is the guest's first process.
    program: PathBuf,
    keep: bool,
}

impl Lab {
    pub(crate) fn new(kernel: PathBuf, keep: bool) -> anyhow::Result<Self> {
        let kernel = kernel.canonicalize()?;
        let program = std::env::current_exe()?.canonicalize()?;
        // The guest's own /run covers the host's.
        for path in [&kernel, &program] {
            if path.starts_with("/run") {
                bail!("{}: a guest does not see the host's /run", path.display());
            }
        }
        Ok(Self { kernel, program, keep })
    }

    fn emulator_program(&self) -> PathBuf {
        self.program.with_file_name("fpga-emulator")
    }
}

/// How a guest ended, and what it had to say.
struct Outcome {
    ended: Ended,
    notes: Vec<String>,
    /// The ends of the logs, of a guest that failed.
    logs: String,
    directory: tempfile::TempDir,
}

impl Lab {
    /// Boots a guest on a machine, for a task, and waits for its end.
    fn run(&self, machine: &str, task: &Task, limit: Option<Duration>) -> anyhow::Result<Outcome> {
        let mut directory = tempfile::Builder::new()
            .prefix("fpga-lab-")
            .tempdir()
            .context("temporary directory")?;
        directory.disable_cleanup(self.keep);
        let emulator = Emulator::start(&self.emulator_program(), machine, directory.path())?;
        let mut guest = Guest::boot(self, &emulator, directory.path(), task)?;
        let mut notes = Vec::new();
        let line = guest.line(limit)?;
        let ended = serve::serve(line, task, emulator, &mut |note| match task {
            Task::Case(_) => notes.push(note),
            Task::Program(_) => println!("{note}"),
        });
        let console = directory.path().join(boot::LOG);
        let ended = ended.unwrap_or_else(|error| {
            let console = std::fs::read(&console).unwrap_or_default();
            let meaning = words::meaning(&String::from_utf8_lossy(&console));
            Ended::Failed(
                meaning.map_or_else(|| format!("{error:#}"), |m| format!("{error:#}: {m}")),
            )
        });
        // Before the guest's end, which has a lot to say.
        let logs = match ended {
            Ended::Exit(_) => String::new(),
            Ended::Failed(_) => {
                [boot::LOG, emulator::LOG].map(|l| tail(&directory.path().join(l))).concat()
            }
        };
        match task {
            Task::Case(_) => guest.end(),
            // It waits for that.
            Task::Program(_) => drop(guest),
        }
        Ok(Outcome { ended, notes, logs, directory })
    }
}

/// Runs cases, `jobs` at a time, and prints how each went as it ends. True when all passed.
pub(crate) fn suite(lab: &Lab, cases: &[&'static Case], jobs: usize) -> bool {
    let start = Instant::now();
    let waiting = Mutex::new(cases.iter().copied().collect::<VecDeque<_>>());
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.pop_front());
    let failed = Mutex::new(Vec::new());
    println!("{} cases, each in a guest of its own, {jobs} at a time", cases.len());
    std::thread::scope(|scope| {
        for turn in 0..jobs.min(cases.len()) {
            let (next, failed) = (&next, &failed);
            scope.spawn(move || {
                processor::take(turn);
                while let Some(case) = next() {
                    if !play(lab, case)
                        && let Ok(mut failed) = failed.lock()
                    {
                        failed.push(case.name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_default();
    println!("took {:.1} s", start.elapsed().as_secs_f64());
    for name in &failed {
        println!("failed: {name}");
    }
    println!("{} passed, {} failed", cases.len() - failed.len(), failed.len());
    failed.is_empty()
}

fn play(lab: &Lab, case: &Case) -> bool {
    let start = Instant::now();
    let outcome = lab.run(&(case.machine)(), &Task::Case(case.name.to_owned()), Some(LIMIT));
    let seconds = start.elapsed().as_secs_f64();
    let (ended, notes, logs, directory) = match outcome {
        Ok(Outcome { ended, notes, logs, directory }) => (ended, notes, logs, Some(directory)),
        Err(error) => (Ended::Failed(format!("{error:#}")), Vec::new(), String::new(), None),
    };
    // One string, so that the lines of cases that end together do not mix.
    let passed = ended == Ended::Exit(0);
    let mut text =
        format!("{} {} ({seconds:.1} s)\n", if passed { "ok    " } else { "FAILED" }, case.name);
    for note in notes {
        text.push_str(&format!("       {note}\n"));
    }
    if let Ended::Failed(reason) = &ended {
        text.push_str(&format!("       {}\n", reason.replace('\n', "\n       ")));
        text.push_str(&logs);
    }
    if let Some(directory) = directory.filter(|_| lab.keep) {
        text.push_str(&format!("       kept: {}\n", directory.path().display()));
    }
    print!("{text}");
    passed
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    const LINES: usize = 25;
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let name = log.file_name().unwrap_or_default().to_string_lossy();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    last.iter().map(|line| format!("       {name}: {}\n", line.trim_end())).collect()
}

/// Runs a program in a guest whose console is ours, and returns its exit code.
pub(crate) fn program(lab: &Lab, machine: &str, task: &Task) -> anyhow::Result<u8> {
    let outcome = lab.run(machine, task, None)?;
    if lab.keep {
        eprintln!("kept: {}", outcome.directory.path().display());
    }
    match outcome.ended {
        Ended::Exit(code) => Ok(code),
        Ended::Failed(reason) => {
            eprint!("{}", outcome.logs);
            bail!(reason)
        }
    }
}
