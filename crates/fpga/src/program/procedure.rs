//! The steps of a programming, in their order.

use std::time::Duration;

use super::claim::{self, Claim, Users};
use super::error::{Context, Error, Problem};
use super::image::Image;
use super::lock::CardLock;
use super::outcome::{Action, Outcome, Progress, Step, Warning};
use super::target::Target;
use super::{Options, clock, function, registers};
use crate::card::Function;
use crate::stack::Rejected;

/// Programs `image` into the region behind `target`, and returns when the region shows its function.
///
/// The steps: the image's ids are compared with the region's and with the function that was asked
/// for; the card is locked; if the function is there already, that is all. Else the port must be
/// unused, and is kept so; errors of earlier users are cleared; the driver takes the image; the
/// function's id is read back; the port is reset.
///
/// # Errors
/// An [`Error`] with its [`super::Cause`]. With [`super::Cause::Disabled`] the in-tree driver has
/// left the region disabled, which [`super::recover`] cures; with [`super::Cause::Mismatch`] the
/// region holds a function that nobody asked for.
pub fn program(
    target: &Target,
    image: &Image<'_>,
    options: &Options,
    progress: &mut dyn Progress,
) -> Result<Outcome, Error> {
    let wanted = options.function.unwrap_or(image.afu_id);
    let mut context = Context::image(target, &image.name, wanted);
    check(target, image, options).map_err(|problem| context.error(problem))?;
    let _lock = lock(target, options.lock_timeout, progress).map_err(|p| context.error(p))?;
    let mut procedure = Procedure { target, image, options, progress, warnings: Vec::new() };
    procedure.run(&mut context).map_err(|problem| context.error(problem))
}

/// What can be said before anything is touched.
fn check(target: &Target, image: &Image<'_>, options: &Options) -> Result<(), Problem> {
    if !target.is_reconfigurable {
        return Err(Problem::NotReconfigurable);
    }
    let region = target.interface_id.ok_or(Problem::UnknownInterface)?;
    if image.interface_id != region {
        return Err(Problem::WrongInterface { image: image.interface_id, region });
    }
    match options.function {
        Some(wanted) if wanted != image.afu_id => {
            Err(Problem::WrongFunction { image: image.afu_id })
        }
        _ => Ok(()),
    }
}

/// Locks the card of `target`.
pub(super) fn lock(
    target: &Target,
    timeout: Duration,
    progress: &mut dyn Progress,
) -> Result<CardLock, Problem> {
    progress.step(Step::Locking);
    let node = &target.card.device.node;
    Ok(CardLock::acquire(node, timeout, &mut |holder| progress.step(Step::Waiting(holder)))?)
}

struct Procedure<'a> {
    target: &'a Target,
    image: &'a Image<'a>,
    options: &'a Options,
    progress: &'a mut dyn Progress,
    warnings: Vec<Warning>,
}

impl Procedure<'_> {
    fn run(&mut self, context: &mut Context) -> Result<Outcome, Problem> {
        self.progress.step(Step::Verifying);
        let before = function::settled(self.target, self.options.lock_timeout)?;
        context.found(before.clone());
        let is_loaded = before == Function::Loaded { afu_id: self.image.afu_id };
        let action = match before {
            Function::Busy => return Err(Problem::Disabled),
            Function::Absent => return Err(Problem::NoDriver),
            Function::Anonymous => return Err(Problem::Anonymous),
            _ if is_loaded && !self.options.reprogram => self.keep()?,
            _ if self.options.dry_run => self.rehearse()?,
            _ => self.load(context)?,
        };
        let warnings = std::mem::take(&mut self.warnings);
        Ok(Outcome { action, before, after: self.image.afu_id, warnings })
    }

    /// The function is there. For a new user it is cleaned all the same.
    fn keep(&mut self) -> Result<Action, Problem> {
        if self.options.clean && !self.options.dry_run {
            let claim = self.claim()?;
            self.clear()?;
            self.reset(&claim)?;
        }
        Ok(Action::AlreadyLoaded)
    }

    /// Everything but calls and writes.
    fn rehearse(&mut self) -> Result<Action, Problem> {
        self.warnings.extend(claim::check(self.target, self.users())?);
        self.warnings.extend(clock::warning(self.target, self.image));
        Ok(Action::DryRun)
    }

    fn load(&mut self, context: &mut Context) -> Result<Action, Problem> {
        let engine = self.target.programmer()?.open(&self.target.card)?;
        let claim = self.claim()?;
        self.clear()?;
        self.warnings.extend(clock::warning(self.target, self.image));

        self.progress.step(Step::Programming(self.image.payload.len()));
        let target = self.target;
        let result = engine.load(&target.slot, target.number, self.image.payload);

        self.progress.step(Step::ReadingBack);
        let after = function::read(self.target);
        if let Ok(after) = &after {
            context.found(after.clone());
        }
        let time = result.map_err(|rejected| explain(rejected, after.as_ref().ok()))?;
        match after? {
            Function::Loaded { afu_id } if afu_id == self.image.afu_id => {}
            Function::Busy => return Err(Problem::Disabled),
            _ => return Err(Problem::Mismatch),
        }
        self.reset(&claim)?;
        Ok(Action::Programmed { time })
    }

    fn users(&self) -> Users {
        if self.options.ignore_users { Users::Ignore } else { Users::Refuse }
    }

    fn claim(&mut self) -> Result<Claim, Problem> {
        let claim = Claim::new(self.target, self.users())?;
        self.warnings.extend(claim.warning());
        Ok(claim)
    }

    fn clear(&mut self) -> Result<(), Problem> {
        self.progress.step(Step::Clearing);
        self.warnings.extend(registers::clear(self.target)?);
        Ok(())
    }

    fn reset(&mut self, claim: &Claim) -> Result<(), Problem> {
        self.progress.step(Step::Resetting);
        self.warnings.extend(claim.reset()?);
        Ok(())
    }
}

fn explain(Rejected { error, mut details }: Rejected, after: Option<&Function>) -> Problem {
    let is_disabled = after == Some(&Function::Busy);
    if is_disabled {
        details.push(Problem::Disabled.to_string());
    }
    Problem::Failed { error, details, is_disabled }
}
