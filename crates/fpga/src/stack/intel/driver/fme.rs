//! The management engine of a card: programming, and handing ports to virtual functions.

use std::borrow::Cow;
use std::path::Path;

use super::device::Device;
use super::error::{Error, Operation};
use super::node::NodeKind;
use super::{dfl, opae};
use crate::card::Driver;
use crate::stack::Sharing;

/// An opened management engine, `dfl-fme.N` or `intel-fpga-fme.N`.
#[derive(Debug)]
pub struct Fme(Device);

/// What the driver says about a management engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FmeInfo {
    /// Interrupts that report the card's errors: 1, or 0 without support.
    pub num_error_irqs: u32,
}

impl Fme {
    /// Opens a management node. Others may have it open too.
    ///
    /// # Errors
    /// [`Error::UnknownNode`], or [`Error::Refused`] with the reason.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Device::open(path.as_ref(), NodeKind::Fme, Sharing::Shared).map(Self)
    }

    /// The node that was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Version of the driver's interface (`GET_API_VERSION`): 0 in both drivers so far.
    ///
    /// # Errors
    /// The node is not one of the driver's, or is gone.
    pub fn api_version(&self) -> Result<u32, Error> {
        let answer = self.0.call_value(&self.0.common().get_api_version, 0);
        answer.map_err(|errno| self.0.error(Operation::ApiVersion, errno))
    }

    /// What the management engine can do (`FME_GET_INFO`, `DFL_FPGA_FME_ERR_GET_IRQ_NUM`).
    ///
    /// # Errors
    /// The driver does not answer.
    pub fn info(&self) -> Result<FmeInfo, Error> {
        match self.0.driver() {
            Driver::Dfl => dfl::fme_info(&self.0),
            Driver::Opae => opae::fme_info(&self.0),
        }
    }

    /// Programs `payload`, the bitstream without its headers, into port `port_id` (`FME_PORT_PR`).
    /// Returns when the card is done: seconds for a large bitstream.
    ///
    /// The card takes 4 bytes at a time. A payload of another size is padded with zeros, which it
    /// ignores (`drivers/fpga/dfl-fme-pr.c`); the out-of-tree driver takes no other size.
    ///
    /// # Errors
    /// [`Error::Payload`] for an empty or a too large payload; [`Error::Reconfiguration`] when the
    /// out-of-tree driver gives a status; else [`Error::Refused`]: EIO for errors that the card
    /// found, which the in-tree driver explains in its `fpga_manager`'s `status`, EINVAL for a port
    /// that the card has not, ETIMEDOUT when the card never finished.
    pub fn port_pr(&self, port_id: u32, payload: &[u8]) -> Result<(), Error> {
        let payload = padded(payload);
        let size = u32::try_from(payload.len()).ok().filter(|&size| size > 0).ok_or_else(|| {
            Error::Payload { path: self.path().to_owned(), length: payload.len() }
        })?;
        match self.0.driver() {
            Driver::Dfl => dfl::port_pr(&self.0, port_id, &payload, size),
            Driver::Opae => opae::port_pr(&self.0, port_id, &payload, size),
        }
    }

    /// Takes a port away from the physical function, so that a virtual one can have it
    /// (`FME_PORT_RELEASE`).
    ///
    /// # Errors
    /// EBUSY when the port is open or released already; EINVAL (out-of-tree: ENODEV) when there is no such port.
    pub fn port_release(&self, port_id: u32) -> Result<(), Error> {
        match self.0.driver() {
            Driver::Dfl => dfl::port_release(&self.0, port_id),
            Driver::Opae => opae::port_release(&self.0, port_id),
        }
    }

    /// Gives a released port back to the physical function (`FME_PORT_ASSIGN`).
    ///
    /// # Errors
    /// EBUSY when the port is not released; EINVAL (out-of-tree: ENODEV) when there is no such port.
    pub fn port_assign(&self, port_id: u32) -> Result<(), Error> {
        match self.0.driver() {
            Driver::Dfl => dfl::port_assign(&self.0, port_id),
            Driver::Opae => opae::port_assign(&self.0, port_id),
        }
    }
}

/// The payload with zeros up to the next multiple of 4 bytes; not copied when it has that size.
fn padded(payload: &[u8]) -> Cow<'_, [u8]> {
    if payload.len().is_multiple_of(4) {
        return Cow::Borrowed(payload);
    }
    let mut copy = Vec::with_capacity(payload.len().next_multiple_of(4));
    copy.extend_from_slice(payload);
    copy.resize(payload.len().next_multiple_of(4), 0);
    Cow::Owned(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_padded_to_four_bytes() {
        let cases: [(&[u8], &[u8]); 4] = [
            (&[], &[]),
            (&[1], &[1, 0, 0, 0]),
            (&[1, 2, 3, 4], &[1, 2, 3, 4]),
            (&[1, 2, 3, 4, 5], &[1, 2, 3, 4, 5, 0, 0, 0]),
        ];
        for (payload, sent) in cases {
            assert_eq!(&*padded(payload), sent);
        }
        assert!(matches!(padded(&[1, 2, 3, 4]), Cow::Borrowed(_)));
    }

    #[test]
    fn rejects_a_payload_without_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let node = dir.path().join("dfl-fme.0");
        std::fs::write(&node, "").unwrap();
        let error = Fme::open(&node).unwrap().port_pr(0, &[]).unwrap_err();
        assert!(matches!(error, Error::Payload { length: 0, .. }), "{error}");
    }

    #[test]
    fn rejects_a_port_node() {
        let error = Fme::open("/dev/dfl-port.0").unwrap_err();
        assert_eq!(
            error.to_string(),
            "/dev/dfl-port.0: not an FPGA fme node: the name is neither dfl-fme.N nor intel-fpga-fme.N"
        );
    }
}
