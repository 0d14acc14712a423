//! Which card, and which slot of it, in terms that outlive the names of nodes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use super::{ParseIdError, PciAddress};

/// Which card of a node: the same as long as the card stays where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CardId {
    /// The PCI function that it is plugged in at.
    Pci(PciAddress),
}

/// What can be given away: a slot of a card, or a card with all its slots.
///
/// It has three spellings. This type prints and parses the one of a `ResourceSlice`: a DNS label made of the
/// card's place and the slot's number, `0000-3b-00-0-slot0` or `0000-3b-00-0`. The device plugin's and CDI's are
/// names that the driver gives until it is bound again: [`crate::card::Slot::name`],
/// [`crate::card::Slot::region_name`] and [`crate::card::Card::name`], and back by
/// [`crate::card::Inventory::device`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId {
    /// The card.
    pub card: CardId,
    /// Number of the slot on it; `None` for all of them.
    pub slot: Option<u32>,
}

impl DeviceId {
    /// The card with all its slots.
    #[must_use]
    pub fn whole_card(self) -> Self {
        Self { slot: None, ..self }
    }

    /// True when whoever has this device has `slot`: it is the same one, or the card that it is on.
    #[must_use]
    pub fn covers(self, slot: Self) -> bool {
        self == slot || self == slot.whole_card()
    }
}

impl fmt::Display for CardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(address) => address.fmt(f),
        }
    }
}

impl Serialize for CardId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<PciAddress> for CardId {
    fn from(address: PciAddress) -> Self {
        Self::Pci(address)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.card.to_string().replace([':', '.'], "-"))?;
        self.slot.map_or(Ok(()), |slot| write!(f, "-slot{slot}"))
    }
}

impl FromStr for DeviceId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        // What is not spelled as it prints would be a second name of the device.
        parse(text).filter(|id| id.to_string() == text).ok_or_else(|| ParseIdError {
            kind: "device",
            text: text.to_owned(),
            expected: "DDDD-BB-DD-F or DDDD-BB-DD-F-slotN",
        })
    }
}

impl TryFrom<String> for DeviceId {
    type Error = ParseIdError;
    fn try_from(text: String) -> Result<Self, ParseIdError> {
        text.parse()
    }
}

impl From<DeviceId> for String {
    fn from(id: DeviceId) -> String {
        id.to_string()
    }
}

fn parse(text: &str) -> Option<DeviceId> {
    let (card, slot) = match text.split_once("-slot") {
        Some((card, number)) => (card, Some(number.parse().ok()?)),
        None => (text, None),
    };
    let (rest, function) = card.rsplit_once('-')?;
    let address: PciAddress = format!("{}.{function}", rest.replace('-', ":")).parse().ok()?;
    Some(DeviceId { card: address.into(), slot })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(address: &str, slot: Option<u32>) -> DeviceId {
        DeviceId { card: address.parse::<PciAddress>().unwrap().into(), slot }
    }

    #[test]
    fn the_slices_spelling_is_a_dns_label_and_comes_back() {
        for (id, text) in [
            (id("0000:3b:00.0", Some(0)), "0000-3b-00-0-slot0"),
            (id("0000:5e:1f.7", Some(12)), "0000-5e-1f-7-slot12"),
            (id("0000:3b:00.0", None), "0000-3b-00-0"),
            (id("ffffffff:ff:1f.7", Some(u32::MAX)), "ffffffff-ff-1f-7-slot4294967295"),
        ] {
            assert_eq!(id.to_string(), text);
            assert_eq!(text.parse(), Ok(id));
            assert!(text.len() <= 63);
            assert!(text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')));
            assert!(text.as_bytes()[0] != b'-' && !text.ends_with('-'));
        }
    }

    #[test]
    fn a_card_covers_its_slots_and_a_slot_itself() {
        let [near, other, card] = ["0000-3b-00-0-slot0", "0000-3b-00-0-slot1", "0000-3b-00-0"]
            .map(|text| text.parse::<DeviceId>().unwrap());
        assert_eq!(near.whole_card(), card);
        assert!(card.covers(near) && card.covers(other) && card.covers(card) && near.covers(near));
        assert!(!near.covers(other) && !near.covers(card));
        assert!(!"0000-86-00-0".parse::<DeviceId>().unwrap().covers(near));
    }

    #[test]
    fn no_device_has_two_spellings() {
        for text in [
            "",
            "0000-3b-00-0-slot",
            "0000-3b-00-0-slot00",
            "0000-3b-00-0-slot+1",
            "0000-3B-00-0-slot0",
            "0000:3b:00.0",
            "0000-3b-00.0",
            "0000-3b-00-0-slot0-slot0",
            "3b-00-0",
            "0000-3b-20-0",
        ] {
            let error = text.parse::<DeviceId>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("device {text:?}: expected DDDD-BB-DD-F or DDDD-BB-DD-F-slotN")
            );
        }
    }
}
