//! The verbs on a card.

use std::fmt::{self, Display};
use std::time::Duration;

use fpga::bitstream::{Bitstream, ImageId};
use fpga::program::{self, Action, Image, Options, SlotOptions, Target, Warning};

use crate::failure::{Code, Failure};

/// Whether to program a region that shows the image's function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reprogram {
    No,
    Yes,
}

impl Reprogram {
    /// Only of a GBS does the function say that it is the very image.
    pub(crate) fn unless_shown(image: ImageId) -> Self {
        match image {
            ImageId::Afu(_) => Self::No,
            ImageId::Aocx(_) => Self::Yes,
        }
    }
}

/// What was done to a port.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) words: String,
    /// How long the driver took to program it, if it was programmed.
    pub(crate) programmed: Option<Duration>,
}

impl Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// What the hook has a card do. There are no others than the node's own, but for checks that have none.
pub(crate) trait Cards {
    /// Cleans a port: clears its errors and resets what is in it.
    fn reset(&self, target: &Target, timeout: Duration) -> Result<Work, Failure>;

    /// Cleans a port and puts an image behind it.
    fn program(
        &self,
        target: &Target,
        bitstream: &Bitstream,
        reprogram: Reprogram,
        timeout: Duration,
    ) -> Result<Work, Failure>;
}

/// The cards of the node, by their driver.
pub(crate) struct Driver;

impl Cards for Driver {
    fn reset(&self, target: &Target, timeout: Duration) -> Result<Work, Failure> {
        let options = SlotOptions { lock_timeout: timeout, ignore_users: false };
        let warnings = program::reset(target, &options, &mut ())?;
        Ok(Work { words: describe("reset".to_owned(), &warnings), programmed: None })
    }

    fn program(
        &self,
        target: &Target,
        bitstream: &Bitstream,
        reprogram: Reprogram,
        timeout: Duration,
    ) -> Result<Work, Failure> {
        let fail = |error| Failure::new(Code::Bitstream, error).of(target);
        let payload = bitstream.payload().map_err(fail)?;
        let image = Image::new(bitstream, &payload).map_err(fail)?;
        let options = Options {
            lock_timeout: timeout,
            reprogram: reprogram == Reprogram::Yes,
            clean: true,
            ..Options::default()
        };
        let outcome = program::program(target, &image, &options, &mut ())?;
        let (what, programmed) = match outcome.action {
            Action::Programmed { time } => {
                let seconds = time.as_secs_f64();
                (format!("programmed function {} in {seconds:.3} s", outcome.after), Some(time))
            }
            Action::AlreadyLoaded | Action::DryRun => {
                (format!("reset with function {}", outcome.after), None)
            }
        };
        Ok(Work { words: describe(what, &outcome.warnings), programmed })
    }
}

fn describe(what: String, warnings: &[Warning]) -> String {
    warnings.iter().fold(what, |text, warning| format!("{text}; {warning}"))
}
