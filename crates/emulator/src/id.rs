//! Identifiers of the emulated machine: 128-bit ids and PCI addresses.

use std::fmt;
use std::str::FromStr;

/// The id of an accelerator function or of an interface, as two 64-bit registers hold it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guid {
    /// Upper half, in register `GUID_H`.
    pub high: u64,
    /// Lower half, in register `GUID_L`.
    pub low: u64,
}

impl Guid {
    /// The id whose 32 printed digits are `value`.
    #[must_use]
    pub const fn new(value: u128) -> Self {
        const LOW: u128 = u64::MAX as u128;
        Self { high: (value >> 64 & LOW) as u64, low: (value & LOW) as u64 }
    }

    /// The dashed form of RFC 4122.
    #[must_use]
    pub fn to_uuid(self) -> String {
        let h = self.to_string();
        format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
    }
}

/// 32 hexadecimal digits, as `afu_id` and `compat_id` print them.
impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.high, self.low)
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct ParseError {
    text: String,
    expected: &'static str,
}

impl FromStr for Guid {
    type Err = ParseError;

    fn from_str(s: &str) -> Result<Self, ParseError> {
        let fail =
            || ParseError { text: s.to_owned(), expected: "32 hexadecimal digits or a UUID" };
        let digits: String = s.chars().filter(|c| *c != '-').collect();
        if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(fail());
        }
        u128::from_str_radix(&digits, 16).map(Self::new).map_err(|_| fail())
    }
}

/// Domain, bus, device and function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// PCI segment.
    pub domain: u32,
    /// Bus number.
    pub bus: u8,
    /// Device number, below 32.
    pub device: u8,
    /// Function number, below 8.
    pub function: u8,
}

impl PciAddress {
    /// The address `n` functions further on, as SR-IOV numbers virtual functions; `None` past the bus's end.
    #[must_use]
    pub fn offset(self, n: u8) -> Option<Self> {
        let routing = (self.device << 3 | self.function).checked_add(n)?;
        Some(Self { device: routing >> 3, function: routing & 7, ..self })
    }

    /// The sysfs directory names from the root bus down to this function: `pci0000:3a/0000:3a:00.0/0000:3b:00.0`.
    #[must_use]
    pub fn device_path(self) -> String {
        match self.bus.checked_sub(1) {
            Some(root) => format!(
                "pci{:04x}:{root:02x}/{:04x}:{root:02x}:00.0/{self}",
                self.domain, self.domain
            ),
            None => format!("pci{:04x}:00/{self}", self.domain),
        }
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{}", self.domain, self.bus, self.device, self.function)
    }
}

impl FromStr for PciAddress {
    type Err = ParseError;

    fn from_str(s: &str) -> Result<Self, ParseError> {
        let parse = || {
            let (rest, function) = s.split_once('.')?;
            let mut parts = rest.split(':');
            let address = Self {
                domain: u32::from_str_radix(parts.next()?, 16).ok()?,
                bus: u8::from_str_radix(parts.next()?, 16).ok()?,
                device: u8::from_str_radix(parts.next()?, 16).ok()?,
                function: u8::from_str_radix(function, 16).ok()?,
            };
            (parts.next().is_none() && address.device < 32 && address.function < 8)
                .then_some(address)
        };
        parse().ok_or_else(|| ParseError {
            text: s.to_owned(),
            expected: "a PCI address such as 0000:3b:00.0",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_as_they_are_read() {
        let id: Guid = "d8424dc4-a4a3-c413-f89e-433683f9040b".parse().unwrap();
        assert_eq!((id.high, id.low), (0xd842_4dc4_a4a3_c413, 0xf89e_4336_83f9_040b));
        assert_eq!(id.to_string(), "d8424dc4a4a3c413f89e433683f9040b");
        assert_eq!(id.to_uuid(), "d8424dc4-a4a3-c413-f89e-433683f9040b");
        assert!("d8424dc4".parse::<Guid>().is_err());
    }

    #[test]
    fn addresses() {
        let a: PciAddress = "0000:3b:00.0".parse().unwrap();
        assert_eq!(a.device_path(), "pci0000:3a/0000:3a:00.0/0000:3b:00.0");
        assert_eq!(a.offset(9).unwrap().to_string(), "0000:3b:01.1");
        for bad in ["3b:00.0", "0000:3b:20.0", "0000:3b:00.8", "0000:3b:00", "x"] {
            assert!(bad.parse::<PciAddress>().is_err(), "{bad}");
        }
    }
}
