//! Which devices a container should rather get, where the kubelet has a choice.
//!
//! Devices that must be included come first. Each further step takes as many devices as it can from
//! one card, chosen by, in this order:
//! 1. a card that already serves the container, so that its devices share a PCIe link and their host
//!    memory is near one socket;
//! 2. a card on a NUMA node that already serves it;
//! 3. a card that can serve all that is still missing;
//! 4. the emptiest card, the one with most available devices: containers spread over the cards, and
//!    a large request still finds one that is free;
//! 5. the lowest PCI address, so that the same request always has the same answer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use fpga::id::CardId;

use crate::plugin::device::Device;

/// What the kubelet asks for one container.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    /// Ids to choose from.
    pub available: &'a [String],
    /// Ids that the answer has to hold, all of them available.
    pub must_include: &'a [String],
    /// How many devices the container gets.
    pub size: usize,
}

/// A request that no answer can meet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRequest {
    /// A required id that the resource does not have.
    #[error("unknown device {0}")]
    Unknown(String),
    /// A required device that is not among the available ones.
    #[error("device {0} must be included but is not available")]
    NotAvailable(String),
    /// Fewer devices asked for than required ones.
    #[error("{size} devices requested but {required} must be included")]
    TooSmall { size: usize, required: usize },
    /// More devices asked for than available.
    #[error("{size} devices requested but {available} are available")]
    TooLarge { size: usize, available: usize },
}

/// Chooses `request.size` of the available ids, the required ones first.
///
/// # Errors
/// [`BadRequest`] names the id or the numbers that do not fit.
pub(crate) fn prefer(devices: &[Device], request: Request<'_>) -> Result<Vec<String>, BadRequest> {
    let mut choice = Choice::new(devices, request)?;
    while choice.missing() > 0 {
        let Some(card) = choice.best_card() else { break };
        choice.take_from(card);
    }
    Ok(choice.picked.into_iter().map(|device| device.id.clone()).collect())
}

struct Choice<'a> {
    size: usize,
    picked: Vec<&'a Device>,
    /// What is left to take, by card; in the order of `devices`, which is by slot number.
    left: BTreeMap<CardId, Vec<&'a Device>>,
}

impl<'a> Choice<'a> {
    fn new(devices: &'a [Device], request: Request<'_>) -> Result<Self, BadRequest> {
        let known: BTreeMap<&str, &Device> = devices.iter().map(|d| (d.id.as_str(), d)).collect();
        let look_up = |id: &String| {
            known.get(id.as_str()).copied().ok_or_else(|| BadRequest::Unknown(id.clone()))
        };
        // The kubelet may not have read yet that a device is gone or moved to another resource: it is no choice, and
        // the others are.
        let available: BTreeSet<&str> = request
            .available
            .iter()
            .filter_map(|id| Some(known.get(id.as_str())?.id.as_str()))
            .collect();
        let mut picked: Vec<&Device> = Vec::new();
        for id in request.must_include {
            let device = look_up(id)?;
            if !available.contains(id.as_str()) {
                return Err(BadRequest::NotAvailable(id.clone()));
            }
            if !picked.iter().any(|p| p.id == device.id) {
                picked.push(device);
            }
        }
        let size = request.size;
        if picked.len() > size {
            return Err(BadRequest::TooSmall { size, required: picked.len() });
        }
        if available.len() < size {
            return Err(BadRequest::TooLarge { size, available: available.len() });
        }
        let mut left = BTreeMap::<_, Vec<_>>::new();
        for device in devices {
            if available.contains(device.id.as_str()) && !picked.iter().any(|p| p.id == device.id) {
                left.entry(device.place.card).or_default().push(device);
            }
        }
        Ok(Self { size, picked, left })
    }

    fn missing(&self) -> usize {
        self.size - self.picked.len()
    }

    fn best_card(&self) -> Option<CardId> {
        let rank = |(&address, devices): (&CardId, &Vec<&Device>)| {
            let same_card = self.picked.iter().any(|p| p.place.card == address);
            let same_numa = devices.iter().any(|d| {
                d.numa_node.is_some() && self.picked.iter().any(|p| p.numa_node == d.numa_node)
            });
            (same_card, same_numa, devices.len() >= self.missing(), devices.len(), Reverse(address))
        };
        let (.., Reverse(address)) = self.left.iter().map(rank).max()?;
        Some(address)
    }

    fn take_from(&mut self, card: CardId) {
        let missing = self.missing();
        let devices = self.left.remove(&card).unwrap_or_default();
        self.picked.extend(devices.into_iter().take(missing));
    }
}

#[cfg(test)]
mod tests;
