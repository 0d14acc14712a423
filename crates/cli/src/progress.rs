//! What a command that takes long is doing, on stderr: a live line on a terminal, else a line for each
//! step that may take long.

use std::time::Duration;

use fpga::program::{Progress, Step};
use indicatif::{BinaryBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the live line is drawn while nothing but time passes.
const TICK: Duration = Duration::from_millis(100);

const STEPS: &str = "{spinner} {msg} {elapsed}";
const BYTES: &str =
    "{msg} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {elapsed}";

/// Tells the steps of a procedure. How far the card is with an image nobody knows, since the driver
/// takes it in one call: there the time is shown.
pub(crate) struct Steps {
    bar: ProgressBar,
    is_quiet: bool,
}

impl Steps {
    pub(crate) fn new(is_quiet: bool) -> Self {
        let bar = live(ProgressBar::no_length(), is_quiet, STEPS);
        bar.enable_steady_tick(TICK);
        Self { bar, is_quiet }
    }

    /// Takes the live line away.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Steps {
    fn step(&mut self, step: Step<'_>) {
        let text = match step {
            Step::Programming(bytes) => format!("{step} {}", size(bytes as u64)),
            _ => step.to_string(),
        };
        if self.bar.is_hidden() {
            if !self.is_quiet && is_long(step) {
                crate::output::complain(&text);
            }
            return;
        }
        self.bar.reset_elapsed();
        self.bar.set_message(text);
    }
}

/// True of a step that may take seconds.
fn is_long(step: Step<'_>) -> bool {
    matches!(step, Step::Waiting(_) | Step::Programming(_) | Step::Binding)
}

/// A bar over the bytes of several files, on a terminal only: without one, what comes out of each file
/// tells enough.
pub(crate) struct Bytes(ProgressBar);

impl Bytes {
    pub(crate) fn new(total: u64, is_quiet: bool) -> Self {
        let bar = live(ProgressBar::new(total), is_quiet, BYTES);
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    pub(crate) fn begin(&self, text: String) {
        self.0.set_message(text);
    }

    pub(crate) fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// Writes a line without tearing the bar.
    pub(crate) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }

    pub(crate) fn finish(self) {
        self.0.finish_and_clear();
    }
}

/// Shown on a terminal that was not asked to be quiet, else hidden.
fn live(bar: ProgressBar, is_quiet: bool, form: &str) -> ProgressBar {
    let target = if is_quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    bar.set_draw_target(target);
    // The forms are this file's own; one with a mistake in it is not worth a failure.
    bar.with_style(
        ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}

/// Bytes for people, such as `64.00 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    BinaryBytes(bytes).to_string()
}

/// Bytes by time for people, such as `7.81 MiB/s`.
pub(crate) fn rate(bytes: u64, time: Duration) -> String {
    let nanos = time.as_nanos().max(1);
    let each_second = u128::from(bytes) * 1_000_000_000 / nanos;
    format!("{}/s", size(u64::try_from(each_second).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_by_the_second() {
        assert_eq!(rate(32 << 20, Duration::from_secs(4)), "8.00 MiB/s");
        assert_eq!(rate(0, Duration::ZERO), "0 B/s");
        assert!(rate(u64::MAX, Duration::ZERO).ends_with("/s"));
    }

    #[test]
    fn every_form_is_well_formed() {
        assert!(Steps::new(true).bar.is_hidden());
        for form in [STEPS, BYTES] {
            assert!(ProgressStyle::with_template(form).is_ok(), "{form}");
        }
    }
}
