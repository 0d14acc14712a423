//! Names of extended resources, in both directions.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Mode, NAMESPACE, Naming, RegionDevelName};
use crate::id::{AfuId, AocxHash, InterfaceId};

/// The name of an extended resource, such as
/// `fpga.intel.com/af-f7df405cbd7acf7222f144b0b93acd18`.
///
/// It is always a valid qualified name of Kubernetes (at most 63 characters after the slash, first
/// and last alphanumeric), and parsing what it prints gives it back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceName {
    device_type: String,
    named: Named,
}

/// What a resource name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Named {
    /// An accelerator function, whichever region it is in: `af-<AFU id>`.
    Af(AfuId),
    /// An OpenCL image, whichever region it is in: `af-<hash>`.
    Aocx(AocxHash),
    /// An accelerator function in one kind of region: `af-<i3>.<a3>.<base64url>`.
    EncodedAf(InterfaceId, AfuId),
    /// An OpenCL image in one kind of region: `af-<i3>.<h3>.<base64url>`.
    EncodedAocx(InterfaceId, AocxHash),
    /// Any region of one interface: `region-<interface id>`.
    Region(InterfaceId),
    /// Any card whose regions have one interface, with its management node: `regiondevel-<interface id>`.
    RegionDevel(InterfaceId),
}

impl Named {
    /// True if a node in `mode` gives containers what this name says. `regiondevel` is how such nodes call their
    /// cards.
    #[must_use]
    pub fn is_given_in(self, mode: Mode, regiondevel: RegionDevelName) -> bool {
        match self {
            Self::Af(_) | Self::Aocx(_) | Self::EncodedAf(..) | Self::EncodedAocx(..) => {
                mode == Mode::Af
            }
            Self::Region(_) => {
                let is_shared = regiondevel == RegionDevelName::Shared;
                mode == Mode::Region || (mode == Mode::RegionDevel && is_shared)
            }
            Self::RegionDevel(_) => {
                mode == Mode::RegionDevel && regiondevel == RegionDevelName::Own
            }
        }
    }
}

/// A text that names no resource of ours, or ids that have no valid name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text does not start with `fpga.intel.com/`.
    #[error("resource {0:?}: not in the domain {NAMESPACE}")]
    Foreign(String),
    /// The text is in our domain but has none of the forms, to the letter.
    #[error(
        "resource {0:?}: expected af-<AFU id>, af-<iii>.<aaa>.<base64url>, region-<interface id> or \
         regiondevel-<interface id>, in lower-case hexadecimal"
    )]
    Form(String),
    /// The encoded form would end in `-` or `_`, which Kubernetes refuses. Only a 160-bit hash can
    /// do that: the last symbol of two 128-bit ids is always one of `AEIMQUYcgkosw048`.
    #[error("resource {0:?}: not a valid name because it does not end in a letter or digit")]
    Ending(String),
}

impl ResourceName {
    /// The resource of a loaded accelerator function. The plain form leaves the interface out.
    #[must_use]
    pub fn af(naming: Naming, interface: InterfaceId, afu: AfuId) -> Self {
        Self::valid(match naming {
            Naming::Plain => Named::Af(afu),
            Naming::Encoded => Named::EncodedAf(interface, afu),
        })
    }

    /// The resource of an OpenCL image, which is known by its hash.
    ///
    /// # Errors
    /// [`NameError::Ending`] for the hashes whose encoded form Kubernetes would refuse.
    pub fn aocx(naming: Naming, interface: InterfaceId, hash: AocxHash) -> Result<Self, NameError> {
        let name = Self::valid(match naming {
            Naming::Plain => Named::Aocx(hash),
            Naming::Encoded => Named::EncodedAocx(interface, hash),
        });
        if name.device_type.ends_with(['-', '_']) {
            return Err(NameError::Ending(name.to_string()));
        }
        Ok(name)
    }

    /// The resource of the regions that have this interface.
    #[must_use]
    pub fn region(interface: InterfaceId) -> Self {
        Self::valid(Named::Region(interface))
    }

    /// The resource of the cards whose regions have this interface, with their management nodes.
    #[must_use]
    pub fn regiondevel(name: RegionDevelName, interface: InterfaceId) -> Self {
        match name {
            RegionDevelName::Own => Self::valid(Named::RegionDevel(interface)),
            RegionDevelName::Shared => Self::region(interface),
        }
    }

    fn valid(named: Named) -> Self {
        Self { device_type: print(named), named }
    }

    /// What the name stands for.
    #[must_use]
    pub fn named(&self) -> Named {
        self.named
    }

    /// The part after the slash.
    #[must_use]
    pub fn device_type(&self) -> &str {
        &self.device_type
    }

    /// File name of the device plugin's socket in the kubelet's directory.
    #[must_use]
    pub fn socket_name(&self) -> String {
        format!("{NAMESPACE}-{}.sock", self.device_type)
    }
}

fn print(named: Named) -> String {
    match named {
        Named::Af(afu) => format!("af-{afu}"),
        Named::Aocx(hash) => format!("af-{hash}"),
        Named::EncodedAf(interface, afu) => encode(interface, &afu.to_string(), &afu.to_bytes()),
        Named::EncodedAocx(interface, hash) => {
            encode(interface, &hash.to_string(), &hash.to_bytes())
        }
        Named::Region(interface) => format!("region-{interface}"),
        Named::RegionDevel(interface) => format!("regiondevel-{interface}"),
    }
}

/// The two prefixes of three digits are for people; the base64 holds both ids in full.
fn encode(interface: InterfaceId, hex: &str, id: &[u8]) -> String {
    let both = [interface.to_bytes().as_slice(), id].concat();
    format!("af-{:.3}.{hex:.3}.{}", interface.to_string(), URL_SAFE_NO_PAD.encode(both))
}

impl FromStr for ResourceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let device_type = text
            .strip_prefix(NAMESPACE)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(|| NameError::Foreign(text.to_owned()))?;
        // Ids parse in several spellings, but Kubernetes compares names letter by letter.
        parse(device_type)
            .map(Self::valid)
            .filter(|name| name.device_type == device_type && !device_type.ends_with(['-', '_']))
            .ok_or_else(|| NameError::Form(text.to_owned()))
    }
}

fn parse(device_type: &str) -> Option<Named> {
    if let Some(id) = device_type.strip_prefix("region-") {
        return id.parse().ok().map(Named::Region);
    }
    if let Some(id) = device_type.strip_prefix("regiondevel-") {
        return id.parse().ok().map(Named::RegionDevel);
    }
    let id = device_type.strip_prefix("af-")?;
    match id.rsplit_once('.') {
        Some((_, base64)) => decode(base64),
        None if id.len() == AocxHash::DIGITS => id.parse().ok().map(Named::Aocx),
        None => id.parse().ok().map(Named::Af),
    }
}

fn decode(base64: &str) -> Option<Named> {
    let both = URL_SAFE_NO_PAD.decode(base64).ok()?;
    let (interface, id) = both.split_first_chunk()?;
    let interface = InterfaceId::new(u128::from_be_bytes(*interface));
    if let Ok(afu) = id.try_into() {
        return Some(Named::EncodedAf(interface, AfuId::new(u128::from_be_bytes(afu))));
    }
    Some(Named::EncodedAocx(interface, AocxHash::from_bytes(id.try_into().ok()?)))
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAMESPACE}/{}", self.device_type)
    }
}

#[cfg(test)]
mod tests;
