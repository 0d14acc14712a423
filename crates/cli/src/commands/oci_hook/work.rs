//! What is done to a port.

use std::time::Duration;

use fpga::bitstream::{Bitstream, ImageId};
use fpga::program::{self, Action, Image, Options, PortOptions, Target, Warning};

use super::failure::{Code, Failure};

/// Whether to program a region that shows the image's function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reprogram {
    No,
    Yes,
}

impl Reprogram {
    /// Only of a GBS does the function say that it is the very image.
    pub(super) fn unless_shown(image: ImageId) -> Self {
        match image {
            ImageId::Afu(_) => Self::No,
            ImageId::Aocx(_) => Self::Yes,
        }
    }
}

/// Cleans a port: clears its errors and resets what is in it.
pub(super) fn reset(target: &Target, timeout: Duration) -> Result<String, Failure> {
    let options = PortOptions { lock_timeout: timeout, ignore_users: false };
    let warnings = program::reset(target, &options, &mut ())?;
    Ok(describe("reset".to_owned(), &warnings))
}

/// Cleans a port and puts an image behind it.
pub(super) fn program(
    target: &Target,
    bitstream: &Bitstream,
    reprogram: Reprogram,
    timeout: Duration,
) -> Result<String, Failure> {
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
    let what = match outcome.action {
        Action::Programmed { time } => {
            format!("programmed function {} in {:.3} s", outcome.after, time.as_secs_f64())
        }
        Action::AlreadyLoaded | Action::DryRun => format!("reset with function {}", outcome.after),
    };
    Ok(describe(what, &outcome.warnings))
}

fn describe(what: String, warnings: &[Warning]) -> String {
    warnings.iter().fold(what, |text, warning| format!("{text}; {warning}"))
}
