//! Clearing of error registers.
//!
//! An engine's register is cleared by writing the value that is set (`drivers/fpga/dfl-fme-error.c`). A
//! port is held in reset while its errors are cleared (`afu_port_err_clear`), so that is done by the
//! procedure of `fpgactl reset`, with its lock and its check for users.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use fpga::board::{Board, Driver};
use fpga::program::{self, Card, CardLock, PortOptions, Progress as _, Step, Target, Warning};
use fpga::root::Root;

use super::{Args, Cleared, Place, Row};
use crate::output;
use crate::progress::Steps;
use crate::status::{self, Status};

/// Clears the registers of `rows`, which are those at `places`, and notes in them what came of it. One
/// place's failure is said and does not keep the others from being cleared.
pub(super) fn run(args: &Args, root: &Root, places: &[Place<'_>], rows: &mut [Row<'_>]) -> Status {
    let mut worst = Status::Sound;
    let mut steps = Steps::new(args.quiet);
    for place in places.iter().filter(|place| !place.errors().is_empty()) {
        let device = place.device();
        let own: Vec<_> = rows.iter_mut().filter(|row| row.device == device).collect();
        let result = match place {
            Place::Engine(board) => engine(args, root, board, own, &mut steps),
            Place::Port(board, port) => {
                let target = Target::new(root, board, port);
                self::port(args, &target, own, &mut steps)
            }
        };
        let status = result.unwrap_or_else(|error| {
            output::complain(format_args!("{error:#}"));
            status::of(&error)
        });
        if worst == Status::Sound {
            worst = status;
        }
    }
    steps.finish();
    worst
}

fn port(
    args: &Args,
    target: &Target,
    rows: Vec<&mut Row<'_>>,
    steps: &mut Steps,
) -> anyhow::Result<Status> {
    let options = PortOptions { lock_timeout: args.timeout, ignore_users: args.force };
    let result = program::reset(target, &options, steps);
    let kept = match &result {
        Ok(warnings) => warnings
            .iter()
            .find(|warning| matches!(warning, Warning::ErrorsNotCleared { .. }))
            .map(ToString::to_string),
        Err(error) => Some(error.to_string()),
    };
    for row in rows {
        row.cleared = Some(kept.clone().map_or(Cleared::Yes, Cleared::No));
    }
    let is_news = |warning: &Warning| !matches!(warning, Warning::ErrorsCleared { .. });
    let warnings: Vec<Warning> = result?.into_iter().filter(is_news).collect();
    output::warn(target, &warnings);
    Ok(if kept.is_some() { Status::Diagnosed } else { Status::Sound })
}

fn engine(
    args: &Args,
    root: &Root,
    board: &Board,
    rows: Vec<&mut Row<'_>>,
    steps: &mut Steps,
) -> anyhow::Result<Status> {
    let card = Card::new(root, board);
    steps.step(Step::Locking);
    let waiting = &mut |holder: Option<&_>| steps.step(Step::Waiting(holder));
    let _lock = match CardLock::acquire(&card.fme.node, args.timeout, waiting) {
        Ok(lock) => lock,
        Err(error) => {
            let reason = error.to_string();
            rows.into_iter().for_each(|row| row.cleared = Some(Cleared::No(reason.clone())));
            return Err(error.into());
        }
    };
    steps.step(Step::Clearing);
    let mut status = Status::Sound;
    for row in rows {
        let Some(path) = clearing(&card, row.register) else {
            row.cleared = Some(Cleared::Follows);
            continue;
        };
        row.cleared = Some(match write(&path, &row.value) {
            Ok(()) => Cleared::Yes,
            Err(error) => {
                output::complain(format_args!("{}: cannot write: {error}", path.display()));
                status = Status::Diagnosed;
                Cleared::No(error.to_string())
            }
        });
    }
    Ok(status)
}

/// What clears the register `name` of a management engine when its value is written there. `None` for
/// those that show other registers' first error or the card's condition.
fn clearing(card: &Card, name: &str) -> Option<PathBuf> {
    let errors = card.fme.dir.join("errors");
    match (card.driver, name) {
        (_, "pcie0_errors" | "pcie1_errors") | (Driver::Dfl, "fme_errors") => {
            Some(errors.join(name))
        }
        (Driver::Opae, "fme-errors/errors") => Some(errors.join("fme-errors/clear")),
        _ => None,
    }
}

fn write(path: &Path, value: &str) -> io::Result<()> {
    // Truncated, because the attributes of a fake tree are plain files.
    OpenOptions::new().write(true).truncate(true).open(path)?.write_all(value.as_bytes())
}
