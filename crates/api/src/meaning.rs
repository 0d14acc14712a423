//! What an object says, checked.
//!
//! The API server holds objects to their schema, but those that were stored before the schema was, and
//! what a test or a file says, have passed no such check: everything is looked at again here.

use std::fmt;
use std::str::FromStr;

use fpga::bitstream::ImageId;
use fpga::id::InterfaceId;
use fpga::names::ResourceName;
use serde_json::Value;

use crate::crd::GROUP;
use crate::function::FunctionMode;

/// The longest name of an object: what follows the slash in the name of an extended resource.
pub const NAME_LIMIT: usize = 63;

/// Which of the two kinds an object is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A function that a namespace may use.
    Function,
    /// Regions that a namespace may program.
    Region,
}

impl Kind {
    /// As in an object's `kind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Function => "AcceleratorFunction",
            Self::Region => "FpgaRegion",
        }
    }

    /// As in the path of a request to the API server.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Function => "acceleratorfunctions",
            Self::Region => "fpgaregions",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an object stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meaning {
    /// A function, alone or for regions of an interface.
    Function {
        /// The function, or the OpenCL image.
        image: ImageId,
        /// The regions that it fits. There is one whenever `mode` is `region`.
        interface: Option<InterfaceId>,
        /// How containers get it; `None` leaves that to the webhook's default. An OpenCL image has `region`.
        mode: Option<FunctionMode>,
    },
    /// Regions of an interface, to be programmed by the container.
    Region {
        /// The interface id of the regions.
        interface: InterfaceId,
    },
}

/// Why an object means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A field that must be there is not.
    #[error("it has no spec.{0}")]
    Missing(&'static str),
    /// A field is no text.
    #[error("spec.{0} is no text")]
    NoText(&'static str),
    /// An id that has not its form.
    #[error("spec.{field}: {reason}")]
    Id {
        /// The field below `spec`.
        field: &'static str,
        /// What is wrong, with the text.
        reason: String,
    },
    /// A mode that there is not.
    #[error("spec.mode {0:?}: expected af or region")]
    Mode(String),
    /// A hash in mode af.
    #[error(
        "spec.afuId is the hash of an OpenCL image, which is always programmed: spec.mode cannot be af"
    )]
    HashInAfMode,
    /// An id that a crashed device shows.
    #[error("spec.{0} is all ones, which a device without firmware or link shows")]
    CrashMarker(&'static str),
    /// A name too long for a resource.
    #[error("its name has more than {NAME_LIMIT} characters, so no resource can have it")]
    LongName,
    /// The name of something else's resource.
    #[error("its name is that of another resource, {GROUP}/{0}")]
    OthersName(String),
}

impl Meaning {
    /// Reads the `spec` of the object `name`.
    ///
    /// Fields of the first version are those of the second, so the version does not matter. Fields that are
    /// not known are ignored, as the API server does.
    ///
    /// # Errors
    /// The first fault found.
    pub fn read(kind: Kind, name: &str, spec: &Value) -> Result<Self, Fault> {
        let meaning = match kind {
            Kind::Function => Self::function(spec)?,
            Kind::Region => {
                Self::Region { interface: interface(spec)?.ok_or(Fault::Missing("interfaceId"))? }
            }
        };
        meaning.may_be_named(name)?;
        Ok(meaning)
    }

    fn function(spec: &Value) -> Result<Self, Fault> {
        let mode = match text(spec, "mode")? {
            None => None,
            Some("af") => Some(FunctionMode::Af),
            Some("region") => Some(FunctionMode::Region),
            Some(other) => return Err(Fault::Mode(other.to_owned())),
        };
        let interface = interface(spec)?;
        let image: ImageId = id("afuId", text(spec, "afuId")?.ok_or(Fault::Missing("afuId"))?)?;
        let mode = match image {
            ImageId::Afu(afu) if afu.is_crash_marker() => return Err(Fault::CrashMarker("afuId")),
            ImageId::Afu(_) => mode,
            ImageId::Aocx(_) if mode == Some(FunctionMode::Af) => return Err(Fault::HashInAfMode),
            ImageId::Aocx(_) => Some(FunctionMode::Region),
        };
        if mode == Some(FunctionMode::Region) && interface.is_none() {
            return Err(Fault::Missing("interfaceId"));
        }
        Ok(Self::Function { image, interface, mode })
    }

    /// A name that means a resource by itself may be given to nothing but that.
    fn may_be_named(self, name: &str) -> Result<(), Fault> {
        if name.len() > NAME_LIMIT {
            return Err(Fault::LongName);
        }
        if format!("{GROUP}/{name}").parse::<ResourceName>().is_err() {
            return Ok(());
        }
        let is_own = match self {
            Self::Function { image, .. } => name == format!("af-{image}"),
            // The second is its own where the agents share the name of region mode.
            Self::Region { interface } => {
                name == format!("regiondevel-{interface}") || name == format!("region-{interface}")
            }
        };
        if is_own { Ok(()) } else { Err(Fault::OthersName(name.to_owned())) }
    }
}

fn interface(spec: &Value) -> Result<Option<InterfaceId>, Fault> {
    const FIELD: &str = "interfaceId";
    let Some(text) = text(spec, FIELD)? else { return Ok(None) };
    let interface: InterfaceId = id(FIELD, text)?;
    if interface.is_crash_marker() {
        return Err(Fault::CrashMarker(FIELD));
    }
    Ok(Some(interface))
}

/// An id in the one spelling that the schema allows; others are the same id, but names are compared letter
/// by letter.
fn id<T>(field: &'static str, text: &str) -> Result<T, Fault>
where
    T: FromStr<Err: fmt::Display> + fmt::Display,
{
    let fault = |reason| Fault::Id { field, reason };
    let id: T = text.parse().map_err(|error: T::Err| fault(error.to_string()))?;
    if id.to_string() != text {
        return Err(fault(format!("{text:?}: expected lower-case digits without dashes")));
    }
    Ok(id)
}

fn text<'a>(spec: &'a Value, name: &'static str) -> Result<Option<&'a str>, Fault> {
    match &spec[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(Fault::NoText(name)),
    }
}

#[cfg(test)]
mod tests;
