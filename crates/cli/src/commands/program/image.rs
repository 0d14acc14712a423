//! Which bitstream goes into which region: a file, or a function in the store.

use std::path::Path;

use anyhow::Context as _;
use fpga::bitstream::{Bitstream, Format, ImageId};
use fpga::card::{Card, Inventory, Slot};
use fpga::catalog;
use fpga::id::InterfaceId;
use fpga::root::Root;
use fpga::store::{Store, Summary};

use crate::commands::target::{self, Error, SlotArgs};

/// What there is to choose from.
pub(super) struct Node<'a> {
    pub(super) root: &'a Root,
    pub(super) inventory: &'a Inventory,
    pub(super) store: Store,
}

/// A bitstream, and the slot of a card that it is meant for.
type Choice<'a> = (Bitstream, (&'a Card, &'a Slot));

impl<'a> Node<'a> {
    /// What `image` and `args` mean. A file's interface id helps to choose the slot; a function is
    /// looked for under the interface id of the slot's region.
    pub(super) fn choose(&self, image: &Path, args: &SlotArgs) -> anyhow::Result<Choice<'a>> {
        match image.to_str().filter(|_| !is_file(image)) {
            Some(text) => self.stored(text, args),
            None => {
                let bitstream = Bitstream::open(image)?;
                let interface = bitstream.interface_id()?;
                Ok((bitstream, self.slot(args, Some(interface))?))
            }
        }
    }

    fn slot(
        &self,
        args: &SlotArgs,
        interface: Option<InterfaceId>,
    ) -> Result<(&'a Card, &'a Slot), Error> {
        target::slot(self.root, self.inventory, args, interface)
    }

    fn stored(&self, text: &str, args: &SlotArgs) -> anyhow::Result<Choice<'a>> {
        let (card, slot) = self.slot(args, None)?;
        let interface = card.interface_id(slot).with_context(|| {
            let name = &slot.name;
            format!("{name}: the interface id of the region is unknown, so that nothing can be looked up for it")
        })?;
        let image = match text.parse() {
            Ok(image) => image,
            Err(_) => self.named(text, interface)?,
        };
        Ok((self.store.find(interface, image)?, (card, slot)))
    }

    /// The image of that name: the catalogue's, else that of the store's file which has it.
    fn named(&self, name: &str, interface: InterfaceId) -> anyhow::Result<ImageId> {
        if let Some(entry) = catalog::by_name(name) {
            return Ok(ImageId::Afu(entry.afu_id));
        }
        let entries = self.store.list()?;
        let is_meant = |summary: &&Summary| {
            let in_file = summary.contents.metadata().name.as_deref();
            summary.interface_id == interface && in_file == Some(name)
        };
        let good = entries.iter().filter_map(|entry| entry.summary.as_ref().ok());
        let images: Vec<_> = good.filter(is_meant).map(|summary| summary.image_id).collect();
        let name = name.to_owned();
        match images[..] {
            [image] => Ok(image),
            [] => {
                let store = self.store.root().to_owned();
                Err(Error::NoImage { name, interface, store }.into())
            }
            _ => {
                let ids = images.iter().map(ToString::to_string).collect();
                Err(Error::SeveralImages { name, ids }.into())
            }
        }
    }
}

/// True of a path with a slash or with the extension of a bitstream: neither is in an id or a name, so
/// that no file in the working directory can take a function's place.
fn is_file(image: &Path) -> bool {
    let extension = image.extension().and_then(|extension| extension.to_str());
    let is_known = |format: Format| {
        extension.is_some_and(|extension| extension.eq_ignore_ascii_case(format.extension()))
    };
    image.as_os_str().as_encoded_bytes().contains(&b'/')
        || is_known(Format::Gbs)
        || is_known(Format::Aocx)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_a_slash_or_an_extension() {
        for text in ["nlb.gbs", "NLB.GBS", "./nlb", "/srv/x", "matrix.aocx", "a.b.gbs"] {
            assert!(is_file(Path::new(text)), "{text}");
        }
        for text in ["nlb_mode_3", "d8424dc4a4a3c413f89e433683f9040b", "gbs", "nlb.sof", ""] {
            assert!(!is_file(Path::new(text)), "{text}");
        }
    }
}
