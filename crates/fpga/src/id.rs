//! Identifiers: PCI addresses, the 128-bit ids of interfaces and accelerator functions, and devices.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

mod device;

pub use device::{CardId, DeviceId};

/// An identifier that does not have the form its type asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?}: expected {expected}")]
pub struct ParseIdError {
    /// Which identifier was expected, such as `interface id`.
    pub kind: &'static str,
    /// What was given.
    pub text: String,
    /// The accepted form.
    pub expected: &'static str,
}

/// 32 hexadecimal digits, with or without the dashes of a UUID, in either case.
fn parse_u128(kind: &'static str, text: &str) -> Result<u128, ParseIdError> {
    let fail = || ParseIdError {
        kind,
        text: text.to_owned(),
        expected: "32 hexadecimal digits or a UUID",
    };
    let trimmed = text.trim();
    let digits: String = match trimmed.len() {
        32 => trimmed.to_owned(),
        36 if [8, 13, 18, 23].iter().all(|&i| trimmed.as_bytes()[i] == b'-') => {
            trimmed.replace('-', "")
        }
        _ => return Err(fail()),
    };
    if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(fail());
    }
    u128::from_str_radix(&digits, 16).map_err(|_| fail())
}

/// As many bytes as the array has, of two hexadecimal digits each, in either case.
pub(crate) fn hex_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

macro_rules! id128 {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(u128);

        impl $name {
            /// The id whose printed digits are `value` in hexadecimal.
            #[must_use]
            pub const fn new(value: u128) -> Self {
                Self(value)
            }

            /// The id from the two 64-bit registers that hold it, high half and low half.
            #[must_use]
            pub const fn from_registers(high: u64, low: u64) -> Self {
                Self((high as u128) << 64 | low as u128)
            }

            /// The 16 bytes in printed order.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }

            /// All ones: what a device answers whose firmware crashed or whose link is down.
            #[must_use]
            pub const fn is_crash_marker(self) -> bool {
                self.0 == u128::MAX
            }

            /// The dashed form of RFC 4122, lower case.
            #[must_use]
            pub fn to_uuid(self) -> String {
                let h = self.to_string();
                format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:032x})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(s: &str) -> Result<Self, ParseIdError> {
                parse_u128($kind, s).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIdError;
            fn try_from(s: String) -> Result<Self, ParseIdError> {
                s.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

id128!(
    /// Names a reconfigurable region: bitstreams built for one interface id fit every region that has
    /// it. The driver calls it `compat_id` (DFL) or `interface_id` (OPAE).
    InterfaceId,
    "interface id"
);
id128!(
    /// Names an accelerator function: what is or can be loaded into a region (`afu_id` in sysfs).
    AfuId,
    "AFU id"
);

/// Names an OpenCL image (`.aocx`): the 160-bit hash in its section `.acl.rand_hash`, printed as 40
/// lower-case digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AocxHash([u8; 20]);

impl AocxHash {
    /// Length of the printed form.
    pub const DIGITS: usize = 40;

    /// The hash from its bytes in printed order.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The bytes in printed order.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 20] {
        self.0
    }
}

impl fmt::Display for AocxHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AocxHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AocxHash({self})")
    }
}

impl FromStr for AocxHash {
    type Err = ParseIdError;
    fn from_str(s: &str) -> Result<Self, ParseIdError> {
        let fail = || ParseIdError {
            kind: "AOCX hash",
            text: s.to_owned(),
            expected: "40 hexadecimal digits",
        };
        hex_bytes(s.trim()).map(Self).ok_or_else(fail)
    }
}

impl TryFrom<String> for AocxHash {
    type Error = ParseIdError;
    fn try_from(s: String) -> Result<Self, ParseIdError> {
        s.parse()
    }
}

impl From<AocxHash> for String {
    fn from(hash: AocxHash) -> String {
        hash.to_string()
    }
}

/// `DDDD:BB:DD.F`, as the kernel names PCI functions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PciAddress {
    /// PCI segment. More than 16 bits only behind Intel VMD.
    pub domain: u32,
    /// Bus number.
    pub bus: u8,
    /// Device number, below 32.
    pub device: u8,
    /// Function number, below 8.
    pub function: u8,
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.device, self.function)
    }
}

impl fmt::Debug for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PciAddress({self})")
    }
}

impl FromStr for PciAddress {
    type Err = ParseIdError;
    fn from_str(s: &str) -> Result<Self, ParseIdError> {
        parse_pci(s).ok_or_else(|| ParseIdError {
            kind: "PCI address",
            text: s.to_owned(),
            expected: "DDDD:BB:DD.F in hexadecimal",
        })
    }
}

fn parse_pci(s: &str) -> Option<PciAddress> {
    // `from_str_radix` accepts a sign, which no address has.
    if !s.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.') {
        return None;
    }
    let (domain, rest) = s.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    if !(4..=8).contains(&domain.len())
        || bus.len() != 2
        || device.len() != 2
        || function.len() != 1
    {
        return None;
    }
    let address = PciAddress {
        domain: u32::from_str_radix(domain, 16).ok()?,
        bus: u8::from_str_radix(bus, 16).ok()?,
        device: u8::from_str_radix(device, 16).ok()?,
        function: u8::from_str_radix(function, 16).ok()?,
    };
    (address.device < 32 && address.function < 8).then_some(address)
}

impl TryFrom<String> for PciAddress {
    type Error = ParseIdError;
    fn try_from(s: String) -> Result<Self, ParseIdError> {
        s.parse()
    }
}

impl From<PciAddress> for String {
    fn from(a: PciAddress) -> String {
        a.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";

    #[test]
    fn ids_parse_in_every_spelling_and_print_in_one() {
        let id: AfuId = NLB3.parse().unwrap();
        for spelling in
            ["F7DF405C-BD7A-CF72-22F1-44B0B93ACD18", "  f7df405cbd7acf7222f144b0b93acd18\n"]
        {
            assert_eq!(spelling.parse(), Ok(id));
        }
        assert_eq!(id.to_string(), NLB3);
        assert_eq!(id.to_uuid(), "f7df405c-bd7a-cf72-22f1-44b0b93acd18");
        assert_eq!(id, AfuId::from_registers(0xf7df_405c_bd7a_cf72, 0x22f1_44b0_b93a_cd18));
        assert_eq!(id.to_bytes()[..2], [0xf7, 0xdf]);
    }

    #[test]
    fn leading_zeros_are_kept() {
        assert_eq!(InterfaceId::new(1).to_string(), format!("{}1", "0".repeat(31)));
    }

    #[test]
    fn the_crash_marker_is_all_ones() {
        assert!("f".repeat(32).parse::<AfuId>().unwrap().is_crash_marker());
        assert!(!NLB3.parse::<AfuId>().unwrap().is_crash_marker());
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in [
            "",
            "0",
            &NLB3[1..],
            "g7df405cbd7acf7222f144b0b93acd18",
            "+7df405cbd7acf7222f144b0b93acd18",
        ] {
            let error = text.parse::<AfuId>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("AFU id {text:?}: expected 32 hexadecimal digits or a UUID")
            );
        }
        for text in ["f7df405c-bd7a-cf72-22f144b0b93acd18-", "-7df405cbbd7a-cf72-22f1-44b0b93acd18"]
        {
            assert!(text.parse::<InterfaceId>().is_err());
        }
        // 36 bytes with a letter across the place of a dash: no slicing inside it.
        assert!(format!("{}é{}", "0".repeat(7), "0".repeat(27)).parse::<AfuId>().is_err());
    }

    #[test]
    fn hashes_have_forty_digits() {
        let text = "40007c0623210742000ebc58df6f5343e668b03a";
        let hash: AocxHash = text.parse().unwrap();
        assert_eq!(hash.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(hash));
        for text in [&text[1..], "+0007c0623210742000ebc58df6f5343e668b03a", NLB3] {
            assert!(text.parse::<AocxHash>().is_err());
        }
    }

    #[test]
    fn pci_addresses_print_as_they_parse() {
        for text in ["0000:5e:00.0", "0000:00:1f.7", "10000:01:00.0"] {
            assert_eq!(text.parse::<PciAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_no_pci_addresses() {
        for text in [
            "",
            "5e:00.0",
            "0000:5e:00",
            "0000:5e:20.0",
            "0000:5e:00.8",
            "0000:5g:00.0",
            "+000:5e:00.0",
        ] {
            assert!(text.parse::<PciAddress>().is_err(), "{text}");
        }
    }
}
