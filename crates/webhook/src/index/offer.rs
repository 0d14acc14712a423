//! What an object offers to the pods of its namespace.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use fpga::bitstream::ImageId;
use fpga::id::InterfaceId;
use fpga::names::{Mode, NAMESPACE, Naming, RegionDevelName, ResourceName};
use fpga_api::{Fault, FunctionMode, Meaning};

/// What holds where an object leaves it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// The mode of functions that name none.
    pub default_mode: DefaultMode,
    /// How resources of loaded functions are called: as the agents call them.
    pub naming: Naming,
    /// How regions are called that are given with their management node: as the agents call them.
    pub regiondevel: RegionDevelName,
}

/// How functions are got whose objects do not say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DefaultMode {
    /// Loaded already: mode `af`.
    #[default]
    Preprogrammed,
    /// Programmed for the container: mode `region`.
    Orchestrated,
}

impl DefaultMode {
    /// As users write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preprogrammed => "preprogrammed",
            Self::Orchestrated => "orchestrated",
        }
    }

    const fn mode(self) -> FunctionMode {
        match self {
            Self::Preprogrammed => FunctionMode::Af,
            Self::Orchestrated => FunctionMode::Region,
        }
    }
}

impl fmt::Display for DefaultMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A default mode that there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown mode {0:?}: expected preprogrammed or orchestrated")]
pub struct UnknownDefaultMode(String);

impl FromStr for DefaultMode {
    type Err = UnknownDefaultMode;
    fn from_str(text: &str) -> Result<Self, UnknownDefaultMode> {
        [Self::Preprogrammed, Self::Orchestrated]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| UnknownDefaultMode(text.to_owned()))
    }
}

/// What pods get for an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The extended resource, in full.
    pub resource: Arc<str>,
    /// The mode of the nodes that have it.
    pub mode: Mode,
    /// The regions that the object names.
    pub interface: Option<InterfaceId>,
    /// The function that the object names; a region names none.
    pub image: Option<ImageId>,
}

impl Offer {
    /// What an object of this meaning offers.
    ///
    /// # Errors
    /// Why it offers nothing, for people.
    pub fn of(meaning: &Result<Meaning, Fault>, rules: Rules) -> Result<Self, String> {
        let meaning = meaning.as_ref().map_err(ToString::to_string)?;
        let (image, interface, mode) = match *meaning {
            Meaning::Region { interface } => {
                let resource = ResourceName::regiondevel(rules.regiondevel, interface);
                return Ok(Self::region(&resource, interface, Mode::RegionDevel, None));
            }
            Meaning::Function { image, interface, mode } => (image, interface, mode),
        };
        let is_default = mode.is_none();
        match (mode.unwrap_or(rules.default_mode.mode()), interface) {
            (FunctionMode::Region, Some(interface)) => {
                let resource = ResourceName::region(interface);
                Ok(Self::region(&resource, interface, Mode::Region, Some(image)))
            }
            (FunctionMode::Region, None) if is_default => Err(format!(
                "it has no spec.interfaceId, which the webhook's default mode {} needs: add it, or spec.mode: af",
                rules.default_mode
            )),
            (FunctionMode::Region, None) => Err("it has no spec.interfaceId".to_owned()),
            (FunctionMode::Af, interface) => Self::af(image, interface, rules.naming),
        }
    }

    fn region(
        resource: &ResourceName,
        interface: InterfaceId,
        mode: Mode,
        image: Option<ImageId>,
    ) -> Self {
        Self { resource: resource.to_string().into(), mode, interface: Some(interface), image }
    }

    fn af(image: ImageId, interface: Option<InterfaceId>, naming: Naming) -> Result<Self, String> {
        let ImageId::Afu(afu) = image else {
            return Err("an OpenCL image is always programmed".to_owned());
        };
        let resource = match (naming, interface) {
            (Naming::Plain, _) => format!("{NAMESPACE}/af-{afu}"),
            (Naming::Encoded, Some(interface)) => {
                ResourceName::af(naming, interface, afu).to_string()
            }
            (Naming::Encoded, None) => {
                return Err(
                    "it has no spec.interfaceId, which is part of the resource's name with \
                            the naming encoded"
                        .to_owned(),
                );
            }
        };
        Ok(Self { resource: resource.into(), mode: Mode::Af, interface, image: Some(image) })
    }
}

/// Some of the three modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Modes(u8);

impl Modes {
    /// Every mode.
    pub const ALL: Self = Self(0b111);

    /// One mode.
    #[must_use]
    pub const fn only(mode: Mode) -> Self {
        Self(match mode {
            Mode::Af => 0b001,
            Mode::Region => 0b010,
            Mode::RegionDevel => 0b100,
        })
    }

    /// Those in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// True for none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}
