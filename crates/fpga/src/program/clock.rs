//! The clock that a function asks for.
//!
//! A slot may have registers for it. What must be written there for a frequency is not part of the driver's
//! interface: it is a sequence of settings of the card's clock generator, computed from tables of the
//! board. Those are not here, so a clock is never set, and an image that asks for one gets a warning.

use super::image::Image;
use super::outcome::Warning;
use super::target::Target;

/// That the image asks for a clock.
pub(super) fn warning(target: &Target, image: &Image<'_>) -> Option<Warning> {
    let clock = image.user_clock.clone()?;
    let has_registers = target.programmer().is_ok_and(|it| it.has_clock(&target.slot));
    Some(Warning::UserClock { clock, has_registers })
}
