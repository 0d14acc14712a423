//! What is known of one region.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::binding::Binding;
use super::digest::{Digest, FileIdentity};
use super::doubt::Moment;
use super::owner::{Life, Owner};
use crate::bitstream::{self, Bitstream};
use crate::card::Function;
use crate::id::{AfuId, InterfaceId};

/// Changes when a program that knows only the former one would misread an entry.
const VERSION: u32 = 1;

/// One region's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    version: u32,
    /// What was done last.
    pub state: State,
    /// Why, in the state `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was loaded last, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// Who the region is for; nobody, when it is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Through which driver.
    pub binding: Binding,
    /// When the entry was written, in seconds of Unix time. For people: clocks are set.
    pub since: u64,
}

/// What was done last to a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is ready for the next owner.
    Clean,
    /// An image is being loaded. If nobody has the card's lock, whoever loaded it was killed.
    Programming,
    /// It is ready for its owner.
    Owned,
    /// Its owner has ended, and it is not clean yet.
    Released,
    /// Loading or cleaning failed.
    Failed,
}

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The regions that it fits.
    pub interface_id: InterfaceId,
    /// The function that it shows.
    pub afu_id: AfuId,
    /// The digest of its file.
    pub digest: Digest,
    /// The file that had this digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileIdentity>,
    /// When loading began.
    #[serde(default)]
    pub loaded: Moment,
}

impl Image {
    /// True when it was loaded from this file as it is now, or from one with the same contents. Only a file that is
    /// not known is read.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn is_from(&self, bitstream: &Bitstream) -> Result<bool, bitstream::Error> {
        Ok(self.file == Some(bitstream.identity()?)
            || self.digest == bitstream.fingerprint()?.digest)
    }
}

impl Entry {
    /// A new entry of now.
    #[must_use]
    pub fn new(state: State, image: Option<Image>, owner: Option<Owner>, binding: Binding) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Self { version: VERSION, state, reason: None, image, owner, binding, since }
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        let entry: Self = serde_json::from_slice(text)?;
        if entry.version == VERSION {
            return Ok(entry);
        }
        let message = format!("version {} is not known here, only {VERSION}", entry.version);
        Err(serde::de::Error::custom(message))
    }

    /// The image that is in the region, if that is certain: loaded completely, through the driver that is bound
    /// now, and the region shows its function.
    #[must_use]
    pub fn image(&self, binding: &Binding, shown: &Function) -> Option<&Image> {
        let is_complete = matches!(self.state, State::Clean | State::Owned | State::Released);
        let image = self.image.as_ref()?;
        (is_complete && self.binding == *binding && shown.afu_id() == Some(image.afu_id))
            .then_some(image)
    }

    /// Who holds the region: its owner, unless that is known to have ended. An owner outlives a driver that is
    /// bound again, but not the boot.
    #[must_use]
    pub fn holder(&self) -> Option<&Owner> {
        let owner = self.owner.as_ref()?;
        (self.binding.is_of_this_boot() && owner.life() != Life::Ended).then_some(owner)
    }
}
