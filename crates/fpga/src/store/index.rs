//! Which OpenCL images show a given AFU id.

use std::collections::BTreeMap;

use super::{Entry, Error, Store};
use crate::bitstream::ImageId;
use crate::id::{AfuId, AocxHash, InterfaceId};

/// The AOCX files of a store by what a region shows when one of them is loaded.
///
/// The shown id alone does not prove which one it is: OpenCL images of one board usually share theirs.
/// Only where [`Index::hashes`] gives a single hash can a loaded image be taken for that one, and
/// only as far as nothing from outside the store was programmed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    hashes: BTreeMap<(InterfaceId, AfuId), Vec<AocxHash>>,
}

impl Index {
    /// The index of a listing. Bad entries are not in it.
    #[must_use]
    pub fn new(entries: &[Entry]) -> Self {
        let mut index = Self::default();
        for summary in entries.iter().filter_map(|entry| entry.summary.as_ref().ok()) {
            if let ImageId::Aocx(hash) = summary.image_id {
                let key = (summary.interface_id, summary.afu_id);
                index.hashes.entry(key).or_default().push(hash);
            }
        }
        index
    }

    /// The images for regions of `interface` that show `afu` when loaded, by path.
    #[must_use]
    pub fn hashes(&self, interface: InterfaceId, afu: AfuId) -> &[AocxHash] {
        self.hashes.get(&(interface, afu)).map_or(&[], Vec::as_slice)
    }
}

impl Store {
    /// The index of what is in the store now.
    ///
    /// # Errors
    /// As for [`Store::list`].
    pub fn index(&self) -> Result<Index, Error> {
        Ok(Index::new(&self.list()?))
    }
}
