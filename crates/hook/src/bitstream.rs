//! Bitstreams for promises.

use fpga::bitstream::{Bitstream, ImageId};
use fpga::id::InterfaceId;
use fpga::store::Store;

use crate::failure::{Code, Failure};

/// The image in the store.
pub(crate) fn find(
    store: &Store,
    interface: InterfaceId,
    image: ImageId,
) -> Result<Bitstream, Failure> {
    store.find(interface, image).map_err(|error| Failure::new(Code::Bitstream, error))
}
