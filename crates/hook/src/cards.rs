//! The verbs on a card.

use std::fmt::{self, Display};
use std::time::Duration;

use fpga::bitstream::Bitstream;
use fpga::program::{self, Action, Cleaned, For, Image, Options, SlotOptions, Target, Warning};

use crate::failure::{Code, Failure};

/// What was done to a port.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) words: String,
    /// True when it was touched.
    pub(crate) is_news: bool,
    /// How long the driver took to program it, if it was programmed.
    pub(crate) programmed: Option<Duration>,
}

impl Work {
    /// The port was touched.
    pub(crate) fn new(what: impl Into<String>, warnings: &[Warning]) -> Self {
        let words = warnings.iter().fold(what.into(), |text, warning| format!("{text}; {warning}"));
        Self { words, is_news: true, programmed: None }
    }

    /// Nothing was done.
    fn none(why: &str) -> Self {
        Self { is_news: false, ..Self::new(why, &[]) }
    }

    /// It was the container's when the ledger was read, and somebody was faster.
    pub(crate) fn not_owned() -> Self {
        Self::none("another owner's by now, nothing was done")
    }
}

impl Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// What the hook has a card do. There are no others than the node's own, but for checks that have none.
pub(crate) trait Cards {
    /// Cleans a port: clears its errors and resets what is in it.
    fn reset(&self, target: &Target, options: SlotOptions) -> Result<Work, Failure>;

    /// Cleans a port and puts an image behind it, unless it is known to be there.
    fn program(
        &self,
        target: &Target,
        bitstream: &Bitstream,
        purpose: For,
        timeout: Duration,
    ) -> Result<Work, Failure>;
}

/// The cards of the node, by their driver.
pub(crate) struct Driver;

impl Cards for Driver {
    fn reset(&self, target: &Target, options: SlotOptions) -> Result<Work, Failure> {
        Ok(match program::reset(target, &options, &mut ())? {
            Cleaned::Done(warnings) => Work::new("reset", &warnings),
            Cleaned::AlreadyPrepared => Work::none("prepared already"),
            Cleaned::NotOwned => Work::not_owned(),
        })
    }

    fn program(
        &self,
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
        let clock = outcome.clock.map_or(String::new(), |it| format!(", user clock {it}"));
        Ok(match outcome.action {
            Action::Programmed { time } => {
                let seconds = time.as_secs_f64();
                let what = format!("programmed function {function} in {seconds:.3} s{clock}");
                Work { programmed: Some(time), ..Work::new(what, warnings) }
            }
            Action::AlreadyLoaded | Action::DryRun => {
                Work::new(format!("reset with function {function}{clock}"), warnings)
            }
            Action::AlreadyPrepared => Work::none("prepared already"),
            Action::NotOwned => Work::not_owned(),
        })
    }
}
