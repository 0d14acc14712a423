//! The contract with Kubernetes: resource names, annotations, environment variables and modes.
//!
//! Users' manifests, the agent, the webhook and the runtime hook must agree on these to the letter,
//! so they are spelled nowhere else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

mod host;
mod promise;
mod resource;

pub use host::{
    HOOK_COMMAND, HOOK_DEVICE, HOOK_STAGE, HOOK_USE, SPEC_FILE_END, spec_device, spec_file,
    spec_file_start,
};
pub use promise::{PromisePart, PromiseVariable};
pub use resource::{NameError, Named, ResourceName};

/// Domain of every extended resource.
pub const NAMESPACE: &str = "fpga.intel.com";

/// Annotation of a Node whose value replaces the agent's configured [`Mode`].
pub const NODE_MODE_ANNOTATION: &str = "fpga.intel.com/device-plugin-mode";

/// Annotation that a container gets in [`Mode::Region`], which a runtime hook is triggered by.
pub const CONTAINER_MODE_ANNOTATION: &str = "com.intel.fpga.mode";

/// Value of [`CONTAINER_MODE_ANNOTATION`].
pub const CONTAINER_MODE_REGION: &str = "fpga.intel.com/region";

/// Annotation that a container gets where no CDI device says which devices were allocated to it: their
/// [`crate::id::DeviceId`]s, with commas between them. CRI-O lets a pod's own annotation of this name outweigh it.
pub const CONTAINER_DEVICES_ANNOTATION: &str = "com.intel.fpga.devices";

/// Vendor and class of the CDI devices.
pub const CDI_KIND: &str = "intel.cdi.k8s.io/fpga";

/// What the resources of a node stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Mode {
    /// One resource per accelerator function that is loaded; a container gets the port it is behind.
    Af,
    /// One resource per kind of region; a container gets a region's ports, programmed for it.
    Region,
    /// As [`Mode::Region`], and the container gets the management node too and programs by itself.
    RegionDevel,
}

impl Mode {
    /// Every mode, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Af, Self::Region, Self::RegionDevel];

    /// As users write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Af => "af",
            Self::Region => "region",
            Self::RegionDevel => "regiondevel",
        }
    }
}

/// What a container has a device for, which decides what is done before it starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Use {
    /// It gets the function that it was promised: the slot's region is programmed.
    #[default]
    Region,
    /// It gets the function that is loaded: the slot is reset.
    Function,
    /// It programs by itself: the slot is reset, and what is in it is unknown from then on.
    Development,
}

impl Use {
    /// Every use, in the order of the modes that lead to them.
    pub const ALL: [Self; 3] = [Self::Region, Self::Function, Self::Development];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Function => "function",
            Self::Development => "development",
        }
    }
}

impl From<Mode> for Use {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Af => Self::Function,
            Mode::Region => Self::Region,
            Mode::RegionDevel => Self::Development,
        }
    }
}

/// How the resource of an accelerator function is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Naming {
    /// `af-<AFU id>`: the AFU alone, whichever interface it was built for.
    #[default]
    Plain,
    /// `af-<i3>.<a3>.<base64url>`: interface id and AFU id together.
    Encoded,
}

impl Naming {
    /// Every form.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Encoded];

    /// As users write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Encoded => "encoded",
        }
    }
}

/// How nodes in [`Mode::RegionDevel`] call what they give.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum RegionDevelName {
    /// `regiondevel-<interface id>`: nobody who asks for a region gets a management node by chance.
    #[default]
    Own,
    /// `region-<interface id>`, as nodes in [`Mode::Region`] call theirs and as Intel's plugin has it.
    Shared,
}

impl RegionDevelName {
    /// Either of them.
    pub const ALL: [Self; 2] = [Self::Own, Self::Shared];

    /// As users write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Shared => "shared",
        }
    }
}

/// A word that is none of the accepted ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} {text:?}: expected one of {accepted}")]
pub struct UnknownWord {
    /// Which setting it was meant for.
    pub kind: &'static str,
    /// What was given.
    pub text: String,
    /// The accepted values.
    pub accepted: &'static str,
}

macro_rules! word {
    ($name:ident, $kind:literal, $accepted:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.into_iter().find(|word| word.as_str() == text).ok_or_else(|| {
                    UnknownWord { kind: $kind, text: text.to_owned(), accepted: $accepted }
                })
            }
        }

        impl TryFrom<String> for $name {
            type Error = UnknownWord;
            fn try_from(text: String) -> Result<Self, UnknownWord> {
                text.parse()
            }
        }

        impl From<$name> for &'static str {
            fn from(word: $name) -> &'static str {
                word.as_str()
            }
        }
    };
}

word!(Mode, "mode", "af, region, regiondevel");
word!(Naming, "naming", "plain, encoded");
word!(Use, "use", "region, function, development");
word!(RegionDevelName, "name of regiondevel resources", "own, shared");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_print_as_they_parse() {
        for mode in Mode::ALL {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        for naming in Naming::ALL {
            assert_eq!(naming.to_string().parse(), Ok(naming));
        }
        for name in RegionDevelName::ALL {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
    }

    /// Upstream: TestNewDevicePluginDFL/unparsable, TestNewDevicePluginOPAE/unparsable.
    #[test]
    fn an_unknown_word_is_answered_with_every_accepted_one() {
        let error = "devel".parse::<Mode>().unwrap_err().to_string();
        assert_eq!(error, r#"unknown mode "devel": expected one of af, region, regiondevel"#);
        assert!(Mode::ALL.iter().all(|mode| error.contains(mode.as_str())));

        let error = "Plain".parse::<Naming>().unwrap_err().to_string();
        assert_eq!(error, r#"unknown naming "Plain": expected one of plain, encoded"#);
        assert!(Naming::ALL.iter().all(|naming| error.contains(naming.as_str())));
    }
}
