//! Commands that change a card's registers: the same for whoever drives the card.

use std::time::Duration;

use super::Command;
use crate::card::{Card, afu};
use crate::id::Guid;

impl Command {
    /// The card whose registers the command changes; `None` for a command of another kind.
    pub(crate) fn registers_of(&self) -> Option<&str> {
        match self {
            Self::PortError { card, .. }
            | Self::FmeError { card, .. }
            | Self::Temperature { card, .. }
            | Self::PowerState { card, .. }
            | Self::PrError { card, .. }
            | Self::PrTime { card, .. }
            | Self::PrStall { card, .. }
            | Self::Function { card, .. }
            | Self::FunctionFault { card, .. } => Some(card),
            _ => None,
        }
    }

    /// Changes the registers of the card that the command names; other commands change none.
    pub(crate) fn apply(&self, card: &mut Card) -> Result<(), String> {
        match *self {
            Self::PortError { card: ref name, port, bits } => {
                check_port(card, name, port)?;
                card.raise_port_error(port, bits);
            }
            Self::FmeError { bits, .. } => card.raise_fme_error(bits),
            Self::Temperature { celsius, .. } => card.set_temperature(celsius),
            Self::PowerState { card: ref name, port, state } => {
                check_port(card, name, port)?;
                card.set_power_state(port, state);
            }
            Self::PrError { bits, .. } => card.fme.force_pr_error(bits),
            Self::PrTime { ms, .. } => card.fme.set_pr_time(Duration::from_millis(ms)),
            Self::PrStall { on, .. } => card.fme.stall_pr(on),
            Self::Function { card: ref name, port, ref afu } => {
                check_port(card, name, port)?;
                card.set_function(port, function(afu)?);
            }
            Self::FunctionFault { card: ref name, port, fault } => {
                check_port(card, name, port)?;
                card.ports[port].fault = fault;
            }
            _ => {}
        }
        Ok(())
    }
}

fn check_port(card: &Card, name: &str, port: usize) -> Result<(), String> {
    if port < card.ports.len() { Ok(()) } else { Err(format!("card {name:?} has no port {port}")) }
}

fn function(text: &str) -> Result<Guid, String> {
    afu::by_name(text).map_or_else(|| text.parse().map_err(|e| format!("{e}")), Ok)
}
