//! The clock that a function asks for: whether the slot can have it, setting it, and what it runs at.
//!
//! It is set before the image is loaded, as `fpgaconf` does (`xfpga_fpgaReconfigureSlot` in OFS/opae-sdk), so the
//! function never runs with another one, and what cannot be had costs nobody the function that is there.

use std::fmt;

use super::error::Problem;
use super::image::{Image, UserClock};
use super::target::Target;
use crate::bitstream;
use crate::stack::{Clock, Frequencies};

/// How far what the card counts may be from what was set, in kHz: its counter and its reference are not exact, and
/// settings are a whole MHz apart.
const COUNTED: u32 = 500;

/// A clock that an image asks for and that its slot can have.
pub(super) struct Demand {
    clock: Box<dyn Clock>,
    asked: UserClock,
    wanted: Frequencies,
    /// What the generator is to run at.
    nearest: Frequencies,
}

impl fmt::Debug for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Demand").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Demand {
    /// That of `image`; `None` when it asks for no clock. Nothing is touched.
    pub(super) fn of(target: &Target, image: &Image<'_>) -> Result<Option<Self>, Problem> {
        let Some(asked) = image.user_clock.clone() else { return Ok(None) };
        let Some(wanted) = asked.frequencies() else { return Ok(None) };
        let clock = match target.programmer()?.clock(&target.slot) {
            Ok(clock) => clock,
            Err(error) => {
                return Err(Problem::NoUserClock { clock: asked, reason: error.to_string() });
            }
        };
        let reason = match clock.nearest(wanted) {
            Some(nearest) if is_near(nearest, wanted) => {
                return Ok(Some(Self { clock, asked, wanted, nearest }));
            }
            Some(nearest) => format!("the nearest that the card has is {nearest}"),
            None => "it is out of the range of the card's clock generator".to_owned(),
        };
        Err(Problem::NoUserClock { clock: asked, reason })
    }

    /// What the slot's clock runs at now, and whether that is what the image asks for. What cannot be counted is
    /// not: setting it says why.
    pub(super) fn measure(&self) -> (Option<Frequencies>, bool) {
        let counted = self.clock.measure().ok();
        (counted, counted.is_some_and(|counted| self.is_met(counted)))
    }

    /// Sets the clock, and returns what the card counts then.
    pub(super) fn set(&self) -> Result<Frequencies, Problem> {
        let failed = |reason: String| Problem::UserClock { clock: self.asked.clone(), reason };
        self.clock.set(self.wanted).map_err(|error| failed(error.to_string()))?;
        let counted = self.clock.measure().map_err(|error| failed(error.to_string()))?;
        if self.is_met(counted) {
            Ok(counted)
        } else {
            Err(failed(format!("it was set to {}, and the card counts {counted}", self.nearest)))
        }
    }

    pub(super) fn asked(&self) -> UserClock {
        self.asked.clone()
    }

    fn is_met(&self, counted: Frequencies) -> bool {
        let is_near = |a: u32, b: u32| a.abs_diff(b) <= COUNTED;
        is_near(counted.fast, self.nearest.fast) && is_near(counted.slow, self.nearest.slow)
    }
}

/// Whether a clock is what was asked for, as far as generators go: `fpgaconf` drops the fraction of a MHz, and the
/// nearest setting of an integer PLL may be 1 % off.
fn is_near(nearest: Frequencies, wanted: Frequencies) -> bool {
    let is_near = |nearest: u32, wanted: u32| nearest.abs_diff(wanted) <= 2000 + wanted / 100;
    is_near(nearest.fast, wanted.fast) && is_near(nearest.slow, wanted.slow)
}

impl UserClock {
    /// In kHz. A frequency that is left out follows from the other: the slower one is half the faster. `None` when
    /// there is neither.
    fn frequencies(&self) -> Option<Frequencies> {
        let mhz = |clock: &Option<bitstream::UserClock>| match clock {
            Some(bitstream::UserClock::Mhz(mhz)) => Some(*mhz),
            _ => None,
        };
        let (high, low) = (mhz(&self.high), mhz(&self.low));
        // Saturating, of what is above 0: what does not fit is out of every generator's range.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let khz = |mhz: f64| (mhz * 1000.0).round() as u32;
        Some(Frequencies {
            fast: khz(high.or_else(|| low.map(|low| low * 2.0))?),
            slow: khz(low.or_else(|| high.map(|high| high / 2.0))?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(high: Option<f64>, low: Option<f64>) -> Option<Frequencies> {
        let mhz = |clock: Option<f64>| clock.map(bitstream::UserClock::Mhz);
        UserClock::new(mhz(high), mhz(low))?.frequencies()
    }

    #[test]
    fn a_frequency_that_is_left_out_follows_from_the_other() {
        let both = Some(Frequencies { fast: 312_500, slow: 156_250 });
        assert_eq!(asked(Some(312.5), Some(156.25)), both);
        assert_eq!(asked(Some(312.5), None), both);
        assert_eq!(asked(None, Some(156.25)), both);
        assert_eq!(asked(None, None), None);
        assert_eq!(asked(Some(1e300), None).unwrap().fast, u32::MAX);
    }

    #[test]
    fn only_what_rounding_explains_is_near() {
        let clock = |fast, slow| Frequencies { fast, slow };
        assert!(is_near(clock(312_000, 156_000), clock(312_500, 156_250)));
        assert!(is_near(clock(545_000, 545_000), clock(549_000, 549_000)));
        assert!(!is_near(clock(300_000, 150_000), clock(300_000, 200_000)));
        assert!(!is_near(clock(350_000, 350_000), clock(700_000, 350_000)));
    }
}
