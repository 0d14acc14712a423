//! What came of a programming.

use fpga::id::{AfuId, CardId, InterfaceId};
use fpga::program::{Action, Image, Outcome, Target};
use serde::Serialize;

use crate::output;
use crate::progress::{rate, size};

/// The names are those of `-o json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'a> {
    card: CardId,
    #[serde(rename = "port")]
    slot: &'a str,
    interface_id: Option<InterfaceId>,
    file: &'a str,
    bytes: usize,
    action: &'static str,
    /// How long the driver took, when it was asked.
    seconds: Option<f64>,
    state_before: &'static str,
    afu_id_before: Option<AfuId>,
    afu_id: AfuId,
    /// What the card counts of the clock that the image asks for.
    user_clock: Option<Clock>,
    warnings: Vec<String>,
    #[serde(skip)]
    outcome: &'a Outcome,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Clock {
    high_khz: u32,
    low_khz: u32,
}

impl<'a> Report<'a> {
    pub(super) fn new(target: &'a Target, image: &'a Image<'_>, outcome: &'a Outcome) -> Self {
        let (action, time) = match outcome.action {
            Action::AlreadyLoaded | Action::AlreadyPrepared | Action::NotOwned => {
                ("alreadyLoaded", None)
            }
            Action::Programmed { time } => ("programmed", Some(time)),
            Action::DryRun => ("dryRun", None),
        };
        Self {
            card: target.card.id,
            slot: &target.slot.name,
            interface_id: target.interface_id,
            file: &image.name,
            bytes: image.payload.len(),
            action,
            seconds: time.map(|time| time.as_secs_f64()),
            state_before: outcome.before.word(),
            afu_id_before: outcome.before.afu_id(),
            afu_id: image.afu_id,
            user_clock: outcome.clock.map(|it| Clock { high_khz: it.fast, low_khz: it.slow }),
            warnings: outcome.warnings.iter().map(ToString::to_string).collect(),
            outcome,
        }
    }

    pub(super) fn text(&self) -> String {
        let before = match self.afu_id_before {
            Some(id) => output::function(id),
            None => self.state_before.to_owned(),
        };
        let clock = self.outcome.clock.map_or(String::new(), |it| format!("clock      {it}\n"));
        format!(
            "port       {} of card {}\nfile       {}\nbefore     {before}\nafter      {}\n{clock}result     {}\n",
            self.slot,
            self.card,
            self.file,
            output::function(self.afu_id),
            self.result()
        )
    }

    fn result(&self) -> String {
        let bytes = self.bytes as u64;
        match self.outcome.action {
            Action::AlreadyLoaded | Action::AlreadyPrepared | Action::NotOwned => {
                "loaded already, nothing was done".to_owned()
            }
            Action::DryRun => format!(
                "dry run: everything was checked, nothing was written; {} would be programmed",
                size(bytes)
            ),
            Action::Programmed { time } => {
                format!("programmed {} in {time:.1?} ({})", size(bytes), rate(bytes, time))
            }
        }
    }
}
