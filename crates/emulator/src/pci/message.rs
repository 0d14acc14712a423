//! Messages of virtio device 1234 of User Mode Linux (`include/uapi/linux/virtio_pcidev.h`): a header of 16 bytes,
//! little endian, and data.

use super::msix::Message;

/// Bytes before the data.
pub(super) const HEADER: usize = 16;

const CONFIG_READ: u8 = 1;
const CONFIG_WRITE: u8 = 2;
const MEMORY_READ: u8 = 3;
const MEMORY_WRITE: u8 = 4;
const MEMORY_SET: u8 = 5;
const MSI: u8 = 7;

/// What a guest asks of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request<'a> {
    /// Read `size` bytes of configuration space.
    ConfigRead { offset: u64, size: u64 },
    /// Write to configuration space.
    ConfigWrite { offset: u64, data: &'a [u8] },
    /// Read `size` bytes of a BAR.
    Read { bar: u8, offset: u64, size: u64 },
    /// Write to a BAR.
    Write { bar: u8, offset: u64, data: &'a [u8] },
    /// Fill `size` bytes of a BAR.
    Fill { bar: u8, offset: u64, size: u64, byte: u8 },
}

impl<'a> Request<'a> {
    /// Reads a message; `None` for one that is too short or of a kind that a function does not get.
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        let (header, data) = message.split_at_checked(HEADER)?;
        let size = u32::from_le_bytes(header[4..8].try_into().ok()?);
        let offset = u64::from_le_bytes(header[8..16].try_into().ok()?);
        let bar = header[1];
        // Data may be longer: the buffers have room for the largest access.
        let data = data.get(..size as usize).unwrap_or(data);
        let size = u64::from(size);
        Some(match header[0] {
            CONFIG_READ => Self::ConfigRead { offset, size },
            CONFIG_WRITE => Self::ConfigWrite { offset, data },
            MEMORY_READ => Self::Read { bar, offset, size },
            MEMORY_WRITE => Self::Write { bar, offset, data },
            MEMORY_SET => Self::Fill { bar, offset, size, byte: *data.first()? },
            _ => return None,
        })
    }
}

/// An interrupt as a message to the guest.
pub(super) fn interrupt(message: Message) -> [u8; HEADER + 4] {
    let mut bytes = [0; HEADER + 4];
    bytes[0] = MSI;
    bytes[4..8].copy_from_slice(&4_u32.to_le_bytes());
    bytes[8..16].copy_from_slice(&message.address.to_le_bytes());
    bytes[16..].copy_from_slice(&message.data.to_le_bytes());
    bytes
}
