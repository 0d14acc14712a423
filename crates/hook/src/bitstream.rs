//! Bitstreams for promises.

use fpga::bitstream::{Bitstream, ImageId};
use fpga::id::{AfuId, InterfaceId};
use fpga::store::Store;

use crate::failure::{Code, Failure};

/// The function that a region shows with `image` in it. For an OpenCL image it is in the file only.
pub(crate) fn function(
    store: &Store,
    interface: InterfaceId,
    image: ImageId,
) -> Result<AfuId, Failure> {
    match image {
        ImageId::Afu(afu) => Ok(afu),
        ImageId::Aocx(_) => find(store, interface, image)?
            .afu_id()
            .map_err(|error| Failure::new(Code::Bitstream, error)),
    }
}

/// The image from the store.
pub(crate) fn find(
    store: &Store,
    interface: InterfaceId,
    image: ImageId,
) -> Result<Bitstream, Failure> {
    store.find(interface, image).map_err(|error| Failure::new(Code::Bitstream, error))
}

/// True when a region that shows `function` must hold `image`.
///
/// OpenCL images of one board may all show the same function. One is taken to be there only when no
/// other file in the store shows it.
pub(crate) fn is_certain(
    store: &Store,
    interface: InterfaceId,
    image: ImageId,
    function: AfuId,
) -> bool {
    match image {
        ImageId::Afu(_) => true,
        ImageId::Aocx(hash) => {
            !store.path(interface, ImageId::Afu(function)).exists()
                && store.index().is_ok_and(|index| index.hashes(interface, function) == [hash])
        }
    }
}
