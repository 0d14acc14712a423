//! What a row of the table is, and how all of them are run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use nix::errno::Errno;

use crate::bench::{Bench, Way};
use crate::world::{Face, World};

/// What a call gave: its value, or what it wrote, as text; or the error number.
pub(crate) type Got = Result<String, Errno>;

/// What is due.
#[derive(Clone, Copy)]
pub(crate) enum Due {
    /// This text.
    Is(&'static str),
    /// This error number.
    Fails(Errno),
    /// It depends on the machine.
    Depends(fn() -> Got),
}

/// One row: setup, call, expectation.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    name: &'static str,
    setup: fn(&mut Bench),
    call: fn(&mut Bench) -> Got,
    due: Due,
    /// What the emulator's plain files do instead, and why they cannot do otherwise.
    emulator: Option<(Due, &'static str)>,
    /// Attributes afterwards: path with `{names}`, content without the last newline.
    then: &'static [(&'static str, Due)],
    wears: bool,
    writes: bool,
    alone: bool,
    needs: Option<Need>,
}

/// What a machine may not have: whether it has it, and what to say if not.
#[derive(Clone, Copy)]
pub(crate) struct Need {
    pub(crate) is_met: fn(&World) -> bool,
    pub(crate) what: &'static str,
}

pub(crate) const fn is(text: &'static str) -> Due {
    Due::Is(text)
}

pub(crate) const fn fails(error: Errno) -> Due {
    Due::Fails(error)
}

/// A row.
pub(crate) const fn case(name: &'static str, call: fn(&mut Bench) -> Got, due: Due) -> Case {
    Case {
        name,
        setup: |_| {},
        call,
        due,
        emulator: None,
        then: &[],
        wears: false,
        writes: false,
        alone: false,
        needs: None,
    }
}

impl Case {
    /// What has to be done before, and has to succeed.
    pub(crate) const fn after(self, setup: fn(&mut Bench)) -> Self {
        Self { setup, ..self }
    }

    /// Attributes afterwards.
    pub(crate) const fn then(self, then: &'static [(&'static str, Due)]) -> Self {
        Self { then, ..self }
    }

    /// The emulator's files do something else.
    pub(crate) const fn but_files(self, due: Due, why: &'static str) -> Self {
        Self { emulator: Some((due, why)), ..self }
    }

    /// The card is bound anew before the next case.
    pub(crate) const fn wears(self) -> Self {
        Self { wears: true, ..self }
    }

    /// The call is a write to an attribute. On plain files write(2) cannot be refused: there the case runs twice, once
    /// by the control protocol, which gives the answer, and once by write(2), which must have the same effect.
    pub(crate) const fn writes(self) -> Self {
        Self { writes: true, ..self }
    }

    /// Runs in a process of its own.
    pub(crate) const fn alone(self) -> Self {
        Self { alone: true, ..self }
    }

    /// Only where the machine has something.
    pub(crate) const fn needs(self, need: Need) -> Self {
        Self { needs: Some(need), ..self }
    }

    fn due(&self, face: Face) -> Due {
        match (face, self.emulator) {
            (Face::Emulator, Some((due, _))) => due,
            _ => self.due,
        }
    }

    /// Runs it in this process: what is wrong, if anything is.
    pub(crate) fn run(&self, world: &'static World) -> Result<(), String> {
        if self.writes && world.face == Face::Emulator {
            self.run_once(world, Way::Control, self.due(world.face))?;
            return self.run_once(world, Way::File, is("written"));
        }
        self.run_once(world, Way::File, self.due(world.face))
    }

    fn run_once(&self, world: &'static World, way: Way, due: Due) -> Result<(), String> {
        let mut bench = Bench::new(world);
        bench.way = way;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            (self.setup)(&mut bench);
            let got = (self.call)(&mut bench);
            due.check("", &got)?;
            for (path, due) in self.then {
                due.check(path, &bench.settled(path))?;
            }
            Ok(())
        }));
        let left = catch_unwind(AssertUnwindSafe(|| bench.leave(self.wears)));
        match (outcome, left) {
            (Ok(result), Ok(())) => result,
            _ => Err("panicked".into()),
        }
    }

    fn run_alone(&self, world: &'static World) -> Result<(), String> {
        let program = std::env::current_exe().map_err(|e| e.to_string())?;
        let output = Command::new(program)
            .args(world.arguments())
            .args(["--case", self.name])
            .output()
            .map_err(|e| e.to_string())?;
        let text = [output.stdout, output.stderr].concat();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&text).into()) }
    }
}

impl Due {
    fn check(self, what: &str, got: &Got) -> Result<(), String> {
        let due = match self {
            Self::Is(text) => Ok(text.to_owned()),
            Self::Fails(error) => Err(error),
            Self::Depends(due) => due(),
        };
        let space = if what.is_empty() { "" } else { ": " };
        if *got == due { Ok(()) } else { Err(format!("{what}{space}{got:?}, due is {due:?}")) }
    }
}

/// Runs the rows whose name contains `filter`: how many failed.
pub(crate) fn run(table: &[&[Case]], world: &'static World, filter: &str) -> usize {
    let (mut passed, mut failed, mut unmet) = (0, 0, 0);
    for case in table.iter().copied().flatten().filter(|c| c.name.contains(filter)) {
        let missing = case.needs.filter(|n| !(n.is_met)(world));
        if let Some(need) = missing {
            unmet += 1;
            println!("not run: {}: {}", case.name, need.what);
            continue;
        }
        let result = if case.alone { case.run_alone(world) } else { case.run(world) };
        match (result, case.emulator.filter(|_| world.face == Face::Emulator)) {
            (Ok(()), None) => {
                passed += 1;
                println!("ok: {}", case.name);
            }
            (Ok(()), Some((_, why))) => {
                passed += 1;
                println!("ok, differs: {}: {why}", case.name);
            }
            (Err(reason), _) => {
                failed += 1;
                println!("FAILED: {}: {}", case.name, reason.trim_end());
            }
        }
    }
    let unmet = if unmet == 0 { String::new() } else { format!(", {unmet} not run") };
    println!("{passed} passed, {failed} failed{unmet}");
    failed
}

/// Runs one row by its name.
pub(crate) fn run_one(table: &[&[Case]], world: &'static World, name: &str) -> Result<(), String> {
    let case = table.iter().copied().flatten().find(|c| c.name == name);
    case.ok_or_else(|| format!("{name}: no such case"))?.run(world)
}
