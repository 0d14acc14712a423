//! What is done to a region.

use std::fmt::{self, Display};
use std::time::Duration;

use fpga::bitstream::Bitstream;
use fpga::program::{self, Action, Cleaned, For, Image, Options, PortOptions, Target, Warning};

use super::failure::{Code, Failure};

/// What was done, for people and for the agent.
#[derive(Debug)]
pub(super) struct Work {
    words: String,
    /// True when the region was touched.
    pub(super) is_news: bool,
    /// How long the driver took, when it was programmed.
    pub(super) programmed: Option<Duration>,
}

impl Work {
    fn new(what: impl Into<String>, warnings: &[Warning]) -> Self {
        let words =
            warnings.iter().fold(what.into(), |text, warning| format!("{text}; {warning}"));
        Self { words, is_news: true, programmed: None }
    }

    fn none(why: &str) -> Self {
        Self { is_news: false, ..Self::new(why, &[]) }
    }
}

impl Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// Resets a region with what is in it.
pub(super) fn reset(target: &Target, purpose: For, timeout: Duration) -> Result<Work, Failure> {
    let options = PortOptions { purpose, timeout, ignore_users: false };
    Ok(match program::reset(target, &options, &mut ())? {
        Cleaned::Done(warnings) => Work::new("reset", &warnings),
        Cleaned::NotOwned => not_owned(),
    })
}

/// Programs a region, or only resets it where it is known to hold this very image.
pub(super) fn program(
    target: &Target,
    bitstream: &Bitstream,
    purpose: For,
    timeout: Duration,
) -> Result<Work, Failure> {
    let fail = |error| Failure::new(Code::Bitstream, error).of(target);
    let payload = bitstream.payload().map_err(fail)?;
    let image = Image::new(bitstream, &payload).map_err(fail)?;
    let options = Options { purpose, timeout, clean: true, ..Options::default() };
    let outcome = program::program(target, &image, &options, &mut ())?;
    let (function, warnings) = (image.afu_id, &outcome.warnings);
    Ok(match outcome.action {
        Action::Programmed { time } => {
            let seconds = time.as_secs_f64();
            let what = format!("programmed function {function} in {seconds:.3} s");
            Work { programmed: Some(time), ..Work::new(what, warnings) }
        }
        Action::AlreadyLoaded | Action::DryRun => {
            Work::new(format!("reset with function {function}"), warnings)
        }
        Action::AlreadyPrepared => Work::none("prepared already"),
        Action::NotOwned => not_owned(),
    })
}

/// It was the container's when the entry was read, and somebody was faster.
fn not_owned() -> Work {
    Work::none("somebody else's by now, nothing was done")
}
