//! The steps of a programming, in their order.

use super::book::Book;
use super::claim::{self, Claim, Users};
use super::clock::Demand;
use super::error::{Context, Error, Problem};
use super::image::Image;
use super::outcome::{Action, Outcome, Progress, Step, Warning};
use super::target::Target;
use super::{Options, function, registers};
use crate::card::Function;
use crate::deadline::Deadline;
use crate::stack::{Engine, Frequencies, Rejected};

/// Programs `image` into the region behind `target`, and returns when the region shows its function.
///
/// The steps: the image's ids are compared with the region's and with the function that was asked
/// for, and a clock that it asks for with what the card has; the card is locked, and the region is not somebody
/// else's; if this very image is there already, with its clock, that is all. Else the port must be unused, and is
/// kept so; errors of earlier users are cleared; the clock is set and counted; the driver takes the image; the
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
    let demand = check(target, image, options).map_err(|problem| context.error(problem))?;
    let run = || -> Result<Outcome, Problem> {
        let deadline = Deadline::after(options.timeout);
        let Some(book) = Book::open(target, &options.purpose, deadline, progress)? else {
            let function = function::read(target)?;
            let (before, after) = (function.clone(), function);
            let action = Action::NotOwned;
            return Ok(Outcome { action, before, after, clock: None, warnings: Vec::new() });
        };
        let (clock, warnings) = (None, Vec::new());
        let mut procedure =
            Procedure { target, image, options, progress, book, demand, clock, warnings };
        procedure.run(deadline, &mut context)
    };
    let result = run();
    result.map_err(|problem| context.error(problem))
}

/// What can be said before anything is touched. Returns the clock that the image asks for.
fn check(target: &Target, image: &Image<'_>, options: &Options) -> Result<Option<Demand>, Problem> {
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
        _ => Demand::of(target, image),
    }
}

struct Procedure<'a> {
    target: &'a Target,
    image: &'a Image<'a>,
    options: &'a Options,
    progress: &'a mut dyn Progress,
    book: Book<'a>,
    /// The clock that the image asks for.
    demand: Option<Demand>,
    /// What the card last counted of it.
    clock: Option<Frequencies>,
    warnings: Vec<Warning>,
}

impl Procedure<'_> {
    fn run(&mut self, deadline: Deadline, context: &mut Context) -> Result<Outcome, Problem> {
        self.warnings.extend(self.book.trouble.take().map(Warning::from));
        self.progress.step(Step::Verifying);
        let before = function::settled(self.target, deadline)?;
        context.found(before.clone());
        let action = match before {
            Function::Busy => return Err(Problem::Disabled),
            Function::Absent => return Err(Problem::NoDriver),
            Function::Anonymous => return Err(Problem::Anonymous),
            _ if !self.options.reprogram
                && self.book.holds(self.image, &before)?
                && self.has_clock() =>
            {
                self.keep(&before)?
            }
            _ if self.options.dry_run => self.rehearse()?,
            _ => self.load(context)?,
        };
        let warnings = std::mem::take(&mut self.warnings);
        let after = Function::Loaded { afu_id: self.image.afu_id };
        Ok(Outcome { action, before, after, clock: self.clock, warnings })
    }

    /// Whether the image that is there has the clock that it asks for. Who has the region was given it, and may be at
    /// work: their clock is not counted.
    fn has_clock(&mut self) -> bool {
        let Some(demand) = &self.demand else { return true };
        if self.options.dry_run || self.book.is_prepared_for(&self.options.purpose) {
            return true;
        }
        let (found, is_met) = demand.measure();
        if is_met {
            self.clock = found;
        } else {
            self.warnings.push(Warning::UserClock { clock: demand.asked(), found });
        }
        is_met
    }

    /// The image is there. For a new user it is cleaned all the same.
    fn keep(&mut self, shown: &Function) -> Result<Action, Problem> {
        if self.book.is_prepared_for(&self.options.purpose) {
            return Ok(Action::AlreadyPrepared);
        }
        if self.options.clean && !self.options.dry_run {
            let users = self.users();
            let cleaned = self.book.clean(&self.options.purpose, users, shown, self.progress)?;
            self.warnings.extend(cleaned);
        }
        Ok(Action::AlreadyLoaded)
    }

    /// Everything but calls and writes.
    fn rehearse(&mut self) -> Result<Action, Problem> {
        self.warnings.extend(claim::check(self.target, self.users())?);
        Ok(Action::DryRun)
    }

    fn load(&mut self, context: &mut Context) -> Result<Action, Problem> {
        let claim = Claim::new(self.target, self.users())?;
        self.warnings.extend(claim.warning());
        let entry = self.image.entry()?;
        // After all that may end here: a card that was opened is taken for programmed when it is closed.
        let engine = self.target.programmer()?.open(&self.target.card)?;
        self.book.begin(&self.options.purpose)?;
        let loaded = self.load_claimed(&*engine, &claim, context);
        self.book.close(engine);
        let action =
            loaded.inspect_err(|problem| self.book.failed(&self.options.purpose, problem))?;
        self.book.done(&self.options.purpose, entry)?;
        Ok(action)
    }

    fn load_claimed(
        &mut self,
        engine: &dyn Engine,
        claim: &Claim,
        context: &mut Context,
    ) -> Result<Action, Problem> {
        self.progress.step(Step::Clearing);
        self.warnings.extend(registers::clear(self.target)?);

        if let Some(demand) = &self.demand {
            self.progress.step(Step::Clocking);
            self.clock = Some(demand.set()?);
        }

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
        self.progress.step(Step::Resetting);
        self.warnings.extend(claim.reset()?);
        Ok(Action::Programmed { time })
    }

    fn users(&self) -> Users {
        Users::of(self.options.ignore_users)
    }
}

fn explain(Rejected { error, mut details }: Rejected, after: Option<&Function>) -> Problem {
    let is_disabled = after == Some(&Function::Busy);
    if is_disabled {
        details.push(Problem::Disabled.to_string());
    }
    Problem::Failed { error, details, is_disabled }
}
