//! Clearing of error registers.
//!
//! A slot is held in reset while its errors are cleared, so that is done by the procedure of `fpgactl reset`, with
//! its check for users.

use fpga::card::Card;
use fpga::program::{self, For, SlotOptions, Target, Warning};
use fpga::root::Root;
use fpga::stack::Management;

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
            Place::Card(card) => self::card(args, root, card, own, &mut steps),
            Place::Slot(card, slot) => {
                let target = Target::new(root, card, slot);
                self::slot(args, &target, own, &mut steps)
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

fn slot(
    args: &Args,
    target: &Target,
    rows: Vec<&mut Row<'_>>,
    steps: &mut Steps,
) -> anyhow::Result<Status> {
    let purpose = if args.force { For::Anybody } else { For::Nobody };
    let options = SlotOptions {
        purpose,
        timeout: args.timeout,
        ignore_users: args.force,
        ..SlotOptions::default()
    };
    let result = program::reset(target, &options, steps);
    let kept = match &result {
        Ok(cleaned) => cleaned
            .warnings()
            .iter()
            .find(|warning| matches!(warning, Warning::ErrorsNotCleared { .. }))
            .map(ToString::to_string),
        Err(error) => Some(error.to_string()),
    };
    for row in rows {
        row.cleared = Some(kept.clone().map_or(Cleared::Yes, Cleared::No));
    }
    let is_news = |warning: &Warning| !matches!(warning, Warning::ErrorsCleared { .. });
    let warnings: Vec<Warning> =
        result?.warnings().iter().filter(|w| is_news(w)).cloned().collect();
    output::warn(target, &warnings);
    Ok(if kept.is_some() { Status::Diagnosed } else { Status::Sound })
}

fn card(
    args: &Args,
    root: &Root,
    card: &Card,
    rows: Vec<&mut Row<'_>>,
    steps: &mut Steps,
) -> anyhow::Result<Status> {
    let management = Management::new(root, card);
    let cleared = match program::clear_errors(&management, &card.errors, args.timeout, steps) {
        Ok(cleared) => cleared,
        Err(error) => {
            let reason = error.to_string();
            rows.into_iter().for_each(|row| row.cleared = Some(Cleared::No(reason.clone())));
            return Err(error.into());
        }
    };
    let mut status = Status::Sound;
    for (row, cleared) in rows.into_iter().zip(cleared) {
        row.cleared = Some(match cleared {
            program::Cleared::Yes => Cleared::Yes,
            program::Cleared::Follows => Cleared::Follows,
            program::Cleared::No { path, error } => {
                output::complain(format_args!("{}: cannot write: {error}", path.display()));
                status = Status::Diagnosed;
                Cleared::No(error.to_string())
            }
        });
    }
    Ok(status)
}
