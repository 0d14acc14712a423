//! The JSON description inside a GBS.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::ParseError;
use super::json::{self, Object};
use crate::id::{AfuId, InterfaceId, ParseIdError};

/// What a GBS says about itself. Fields that a file leaves out are `None`; texts are as in the file
/// and may hold control characters.
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata {
    /// `version`: of the description's schema.
    pub version: Option<i64>,
    /// `platform-name`, such as `PAC_A10`.
    pub platform_name: Option<String>,
    /// `afu-image.magic-no`: 488605312 where present.
    pub magic_no: Option<i64>,
    /// `afu-image.interface-uuid`; the error has an empty text when it is missing.
    pub interface_id: Result<InterfaceId, ParseIdError>,
    /// `afu-image.power`: in watts.
    pub power: Option<f64>,
    /// `afu-image.clock-frequency-high`: the faster user clock.
    pub clock_high: Option<UserClock>,
    /// `afu-image.clock-frequency-low`: the slower user clock, half the faster one on known boards.
    pub clock_low: Option<UserClock>,
    /// `afu-image.afu-top-interface.class`: how the function is wired to the platform.
    pub interface_class: Option<String>,
    /// `accelerator-type-uuid` of the cluster; the error has an empty text when it is missing.
    pub afu_id: Result<AfuId, ParseIdError>,
    /// `name` of the cluster.
    pub name: Option<String>,
    /// `total-contexts` of the cluster: how many processes may use the function at once.
    pub total_contexts: Option<i64>,
    /// What is wrong with fields that nothing depends on, such as a name that is no text: they count as left out.
    pub ignored: Vec<String>,
}

/// A user clock as the description asks for it.
#[derive(Debug, Clone, PartialEq)]
pub enum UserClock {
    /// A frequency in MHz, above 0.
    Mhz(f64),
    /// Anything that is no number, such as `auto` where the build tool did not fill in a frequency.
    Text(String),
}

impl fmt::Display for UserClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mhz(mhz) => write!(f, "{mhz} MHz"),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// Parses the description, without what is around it in a file.
pub(super) fn parse(bytes: &[u8]) -> Result<Metadata, ParseError> {
    let json = json::object(bytes)?;
    let root = Object::root(&json);
    let image = root.object("afu-image")?.ok_or_else(|| missing(&root, "afu-image"))?;
    let cluster = only_cluster(&image)?;
    let mut ignored = Vec::new();
    let top = optional(image.object("afu-top-interface"), &mut ignored);
    let class = top.map_or(Ok(None), |top| owned(&top, "class"));
    Ok(Metadata {
        version: optional(root.integer("version"), &mut ignored),
        platform_name: optional(owned(&root, "platform-name"), &mut ignored),
        magic_no: optional(image.integer("magic-no"), &mut ignored),
        interface_id: id(&image, "interface-uuid")?,
        power: optional(image.number("power"), &mut ignored),
        clock_high: user_clock(&image, "clock-frequency-high")?,
        clock_low: user_clock(&image, "clock-frequency-low")?,
        interface_class: optional(class, &mut ignored),
        afu_id: id(&cluster, "accelerator-type-uuid")?,
        name: optional(owned(&cluster, "name"), &mut ignored),
        total_contexts: optional(cluster.integer("total-contexts"), &mut ignored),
        ignored,
    })
}

/// A field for people: one that cannot be understood does not cost the file, and is noted.
fn optional<T>(field: Result<Option<T>, ParseError>, ignored: &mut Vec<String>) -> Option<T> {
    field.unwrap_or_else(|fault| {
        ignored.push(fault.to_string());
        None
    })
}

/// The one cluster of the image: a region shows one AFU id, so that a second function would have none.
fn only_cluster<'a>(image: &Object<'a>) -> Result<Object<'a>, ParseError> {
    const CLUSTERS: &str = "accelerator-clusters";
    let clusters = image.array(CLUSTERS)?.ok_or_else(|| missing(image, CLUSTERS))?;
    match clusters.as_slice() {
        [cluster] => image.element(CLUSTERS, 0, cluster),
        other => {
            let found = format!("{} elements", other.len());
            Err(ParseError::value(image.path(CLUSTERS), found, "exactly one"))
        }
    }
}

fn missing(object: &Object<'_>, name: &str) -> ParseError {
    ParseError::value(object.path(name), "nothing", "it to be there")
}

fn owned(object: &Object<'_>, name: &str) -> Result<Option<String>, ParseError> {
    Ok(object.text(name)?.map(str::to_owned))
}

/// A malformed id does not hide the rest of the file: it is an error only where it is used.
fn id<T: FromStr<Err = ParseIdError>>(
    object: &Object<'_>,
    name: &str,
) -> Result<Result<T, ParseIdError>, ParseError> {
    Ok(object.text(name)?.unwrap_or_default().parse())
}

/// Upstream's reader takes any type here. Zero means that the function needs no user clock.
fn user_clock(object: &Object<'_>, name: &str) -> Result<Option<UserClock>, ParseError> {
    let Some(value) = object.value(name)? else { return Ok(None) };
    let invalid = || {
        let expected = "a frequency in MHz or a text";
        ParseError::value(object.path(name), json::describe(value), expected)
    };
    match value {
        Value::String(text) => Ok(Some(match text.trim().parse::<f64>() {
            Ok(mhz) if mhz.is_finite() && mhz > 0.0 => UserClock::Mhz(mhz),
            _ => UserClock::Text(text.clone()),
        })),
        Value::Number(number) => match number.as_f64() {
            Some(mhz) if mhz > 0.0 => Ok(Some(UserClock::Mhz(mhz))),
            Some(0.0) => Ok(None),
            _ => Err(invalid()),
        },
        _ => Err(invalid()),
    }
}
