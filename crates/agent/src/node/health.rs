//! What makes a device unusable, and what is only worth telling.
//!
//! A pure judgement over what a card says about itself ([`fpga::card::Vitals`]): errors, power states and
//! the temperature become [`Condition`]s, each with the part of the card that it is about. What else makes
//! a device unusable, such as a function that cannot be read, is seen where units are made of cards
//! ([`super::units`]); the words for all of it are [`Reason`].

use std::collections::BTreeMap;
use std::fmt;

use clap::ValueEnum;
use fpga::card::{Card, PowerState, Problem, Slot, SlotVitals, Vitals};
use fpga::errors::{ErrorBit, ErrorRegister, Severity};
use fpga::id::CardId;

/// Why a device is unhealthy, or what is wrong with a card without making anything unhealthy. The worst
/// comes first: a device that has several shows the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    /// The card left the bus, or lost its driver.
    Vanished,
    /// The firmware answers all ones.
    FirmwareCrashed,
    /// The last programming failed.
    ProgrammingFailed,
    /// What it holds cannot be read.
    Unreadable,
    /// It is being programmed.
    Reconfiguring,
    /// The card reports an error after which it does not continue.
    FatalError,
    /// The port switched its function off (AP6).
    PowerOff,
    /// The card is too hot.
    Temperature,
    /// The port reports an error after which it lets nothing through.
    SlotError,
    /// The port holds its function back (AP1, AP2).
    Throttled,
    /// An error after which the card or the port continues.
    NonfatalError,
    /// Somebody holds it under another name.
    Held,
}

/// Something that is wrong with a card or one of its slots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Condition {
    pub card: CardId,
    /// The slot; `None` for the whole card.
    pub slot: Option<String>,
    /// What it is.
    pub reason: Reason,
    /// True when devices of it must not be given to anybody.
    pub unhealthy: bool,
    /// In one line. It holds no measured value, since each check would make a different condition.
    pub message: String,
}

/// What the operator wants to be unhealthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    /// What makes a device unhealthy; the rest is only reported.
    pub unhealthy_on: Vec<Cause>,
    /// From which temperature on a card is too hot, in thousandths of a degree; `None` for the one from
    /// which on it throttles its functions the most.
    pub temperature_limit: Option<u32>,
    /// How far a card must cool below a limit to be well again, in thousandths of a degree.
    pub hysteresis: u32,
}

/// What can make a device unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cause {
    /// Errors of a card after which it does not continue.
    FatalErrors,
    /// Errors of a card or port after which it continues.
    NonfatalErrors,
    /// Errors of a port after which it lets nothing of its function through.
    #[value(name = "port-errors")]
    SlotErrors,
    /// A port that switched its function off (AP6).
    PowerOff,
    /// A card above the limit.
    Temperature,
    /// A port that holds its function back (AP1, AP2).
    Throttling,
}

/// Judges cards, check after check.
#[derive(Debug)]
pub(crate) struct Judge {
    policy: Policy,
    heat: BTreeMap<CardId, Heat>,
}

/// How hot a card was last found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Heat {
    Warm,
    Hot,
}

impl Judge {
    /// No card is known to be hot yet.
    #[must_use]
    pub(crate) fn new(policy: Policy) -> Self {
        Self { policy, heat: BTreeMap::new() }
    }

    /// What is wrong with these cards, each with what it says and what of it could not be read. What is known of any
    /// other is forgotten.
    pub(crate) fn look<'a>(
        &mut self,
        cards: impl IntoIterator<Item = (&'a Card, (&'a Vitals, &'a Vec<Problem>))>,
    ) -> Vec<Condition> {
        let before = std::mem::take(&mut self.heat);
        let mut found = Vec::new();
        for (card, (vitals, problems)) in cards {
            let address = card.id;
            found.extend(self.unread(card, None, problems));
            found.extend(
                card.slots.iter().filter_map(|slot| self.unread(card, Some(slot), problems)),
            );
            self.temperature(address, vitals, before.get(&address).copied(), &mut found);
            self.card_errors(address, &vitals.errors, &mut found);
            let confirmed = confirms_slot_error(&vitals.errors);
            for slot in &vitals.slots {
                self.slot(address, slot, confirmed, &mut found);
            }
        }
        found.sort();
        found
    }

    fn temperature(
        &mut self,
        card: CardId,
        vitals: &Vitals,
        before: Option<Heat>,
        found: &mut Vec<Condition>,
    ) {
        let limit = |heat| match (heat, vitals.temperature) {
            (Heat::Hot, known) => {
                self.policy.temperature_limit.or_else(|| known.and_then(|known| known.critical))
            }
            (Heat::Warm, known) => known.and_then(|known| known.max),
        };
        // Who was there leaves only some way below.
        let reached = |heat: Heat| {
            let margin = if before >= Some(heat) { self.policy.hysteresis } else { 0 };
            let now = vitals.temperature?.now;
            Some(now >= limit(heat)?.saturating_sub(margin))
        };
        let heat = match vitals.temperature {
            // A sensor that fails does not cool the card.
            None => before,
            Some(_) if reached(Heat::Hot) == Some(true) => Some(Heat::Hot),
            Some(_) if reached(Heat::Warm) == Some(true) => Some(Heat::Warm),
            Some(_) => None,
        };
        let Some(heat) = heat else { return };
        let message = match limit(heat) {
            Some(limit) => format!("the card is at {} °C or above", Degrees(limit)),
            None => "the card was too hot when its temperature could last be read".to_owned(),
        };
        self.heat.insert(card, heat);
        found.push(Condition {
            card,
            slot: None,
            reason: Reason::Temperature,
            unhealthy: heat == Heat::Hot && self.policy.names(Cause::Temperature),
            message,
        });
    }

    /// Error registers of a card or slot that cannot be read: nobody knows that they are without errors.
    fn unread(&self, card: &Card, slot: Option<&Slot>, problems: &[Problem]) -> Option<Condition> {
        let device = slot.map_or(&card.name, |slot| &slot.name);
        let of_registers = |problem: &&Problem| {
            problem.object.strip_suffix("/errors") == Some(device)
                || problem.object == *device && problem.message.starts_with("errors: ")
        };
        let of_registers: Vec<&Problem> = problems.iter().filter(of_registers).collect();
        let first = of_registers.first()?;
        // What root could read says nothing of the card.
        let is_of_card = of_registers.iter().any(|problem| !problem.is_of_permission());
        let cause = if slot.is_some() { Cause::SlotErrors } else { Cause::FatalErrors };
        Some(Condition {
            card: card.id,
            slot: slot.map(|slot| slot.name.clone()),
            reason: Reason::Unreadable,
            unhealthy: is_of_card && self.policy.names(cause),
            message: format!("error registers cannot be read: {}", first.message),
        })
    }

    fn card_errors(&self, card: CardId, errors: &[ErrorRegister], found: &mut Vec<Condition>) {
        let fatal = (Reason::FatalError, Cause::FatalErrors);
        found.extend(self.errors(card, None, errors, fatal, false));
    }

    fn slot(
        &self,
        card: CardId,
        slot: &SlotVitals,
        is_confirmed: bool,
        found: &mut Vec<Condition>,
    ) {
        let fatal = (Reason::SlotError, Cause::SlotErrors);
        let name = Some(slot.name.as_str());
        let errors = &slot.errors;
        found.extend(self.errors(card, name, errors, fatal, is_confirmed));
        let (reason, cause, message) = match slot.power_state {
            Some(PowerState::Off) => {
                let message = "power state AP6: the card is too hot and switched the function off";
                (Reason::PowerOff, Cause::PowerOff, message)
            }
            Some(PowerState::Tenth) => {
                let message = "power state AP2: the function is throttled to a tenth";
                (Reason::Throttled, Cause::Throttling, message)
            }
            Some(PowerState::Half) => {
                let message = "power state AP1: the function is throttled to half";
                (Reason::Throttled, Cause::Throttling, message)
            }
            Some(PowerState::Normal | PowerState::Unknown(_)) | None => return,
        };
        found.push(Condition {
            card,
            slot: Some(slot.name.clone()),
            reason,
            unhealthy: self.policy.names(cause),
            message: message.to_owned(),
        });
    }

    /// The errors of one part of a card: the fatal ones, and the others. A bit that no table has is fatal where the
    /// card says that there is a fatal one.
    fn errors(
        &self,
        card: CardId,
        slot: Option<&str>,
        registers: &[ErrorRegister],
        (reason, cause): (Reason, Cause),
        is_confirmed: bool,
    ) -> impl Iterator<Item = Condition> {
        let mut words = [Vec::new(), Vec::new()];
        for set in registers {
            for error in &set.errors {
                let is_fatal =
                    error.severity != Severity::Nonfatal || is_confirmed && error.name.is_none();
                words[usize::from(!is_fatal)].push(error.to_string());
            }
        }
        let [fatal, nonfatal] = words;
        let kinds = [
            (fatal, reason, self.policy.names(cause)),
            (nonfatal, Reason::NonfatalError, self.policy.names(Cause::NonfatalErrors)),
        ];
        let slot = slot.map(str::to_owned);
        kinds.into_iter().filter(|(words, ..)| !words.is_empty()).map(
            move |(words, reason, unhealthy)| Condition {
                card,
                slot: slot.clone(),
                reason,
                unhealthy,
                message: words.join(", "),
            },
        )
    }
}

/// True when a card reports a fatal error of one of its slots, without saying which.
fn confirms_slot_error(errors: &[ErrorRegister]) -> bool {
    errors.iter().flat_map(|register| &register.errors).any(ErrorBit::is_of_slot)
}

impl Policy {
    fn names(&self, cause: Cause) -> bool {
        self.unhealthy_on.contains(&cause)
    }
}

impl Condition {
    /// True when it is about this card, or about this slot of it.
    pub(super) fn affects(&self, card: CardId, slot: Option<&str>) -> bool {
        self.card == card && (self.slot.is_none() || self.slot.as_deref() == slot)
    }
}

impl Reason {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 12] = [
        Self::Vanished,
        Self::FirmwareCrashed,
        Self::ProgrammingFailed,
        Self::Unreadable,
        Self::Reconfiguring,
        Self::FatalError,
        Self::PowerOff,
        Self::Temperature,
        Self::SlotError,
        Self::Throttled,
        Self::NonfatalError,
        Self::Held,
    ];

    /// The word for it as the reason of a Kubernetes Event.
    #[must_use]
    pub(crate) const fn event(self) -> &'static str {
        match self {
            Self::Vanished => "FpgaVanished",
            Self::FirmwareCrashed => "FpgaFirmwareCrashed",
            Self::ProgrammingFailed => "FpgaProgrammingFailed",
            Self::Unreadable => "FpgaUnreadable",
            Self::Reconfiguring => "FpgaReconfiguring",
            Self::FatalError => "FpgaFatalError",
            Self::PowerOff => "FpgaPowerOff",
            Self::Temperature => "FpgaTemperature",
            Self::SlotError => "FpgaPortError",
            Self::Throttled => "FpgaThrottled",
            Self::NonfatalError => "FpgaNonfatalError",
            Self::Held => "FpgaHeld",
        }
    }

    /// The word for it in metrics and logs.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Vanished => "vanished",
            Self::FirmwareCrashed => "firmware_crashed",
            Self::ProgrammingFailed => "programming_failed",
            Self::Unreadable => "unreadable",
            Self::Reconfiguring => "reconfiguring",
            Self::FatalError => "fatal_error",
            Self::PowerOff => "power_off",
            Self::Temperature => "temperature",
            Self::SlotError => "port_error",
            Self::Throttled => "throttled",
            Self::NonfatalError => "nonfatal_error",
            Self::Held => "held",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Thousandths of a degree, as degrees.
struct Degrees(u32);

impl fmt::Display for Degrees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 1000 {
            0 => write!(f, "{}", self.0 / 1000),
            rest => write!(f, "{}.{rest:03}", self.0 / 1000),
        }
    }
}

#[cfg(test)]
mod tests;
