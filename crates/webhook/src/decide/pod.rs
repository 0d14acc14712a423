//! The parts of a pod that are decided on, borrowed from the review.

use std::fmt;

use fpga::names::{CONTAINER_DEVICES_ANNOTATION, CONTAINER_MODE_ANNOTATION};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::text::{Text, quote};

/// Start of the names of all extended resources of ours. `fpga.intel.community/x` is not one.
pub(super) const PREFIX: &str = "fpga.intel.com/";

const RESERVED: [&str; 2] = [CONTAINER_MODE_ANNOTATION, CONTAINER_DEVICES_ANNOTATION];

#[derive(Debug, Default, Deserialize)]
pub(super) struct Pod<'a> {
    #[serde(borrow)]
    pub(super) metadata: Option<Metadata<'a>>,
    #[serde(borrow)]
    pub(super) spec: Option<Spec<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) generate_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) namespace: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) owner_references: Option<Vec<OwnerReference<'a>>>,
    pub(super) annotations: Option<Annotations>,
}

/// Whether a pod has an annotation that is for the device plugin to give, which a runtime would believe.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    pub(super) reserved: Option<&'static str>,
}

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reserved;
        impl<'de> Visitor<'de> for Reserved {
            type Value = Annotations;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of annotations")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Annotations, A::Error> {
                let mut reserved = None;
                while let Some((name, _)) = map.next_entry::<Text<'de>, IgnoredAny>()? {
                    reserved = RESERVED.into_iter().find(|known| *known == &*name).or(reserved);
                }
                Ok(Annotations { reserved })
            }
        }
        deserializer.deserialize_map(Reserved)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnerReference<'a> {
    #[serde(borrow, default)]
    pub(super) api_version: Text<'a>,
    #[serde(borrow, default)]
    pub(super) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) uid: Text<'a>,
    pub(super) controller: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec<'a> {
    #[serde(borrow)]
    pub(super) init_containers: Option<Vec<Container<'a>>>,
    #[serde(borrow)]
    pub(super) containers: Option<Vec<Container<'a>>>,
    #[serde(borrow)]
    pub(super) ephemeral_containers: Option<Vec<Container<'a>>>,
    /// What all containers may use together.
    #[serde(borrow)]
    pub(super) resources: Option<Resources<'a>>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container<'a> {
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) resources: Option<Resources<'a>>,
    #[serde(borrow)]
    pub(super) env: Option<Vec<Variable<'a>>>,
    #[serde(borrow)]
    pub(super) env_from: Option<Vec<Source<'a>>>,
    #[serde(borrow)]
    pub(super) security_context: Option<SecurityContext<'a>>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Variable<'a> {
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) value: Option<Text<'a>>,
    pub(super) value_from: Option<IgnoredAny>,
}

/// Many variables at once, from an object that is not seen here.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Source<'a> {
    #[serde(borrow)]
    pub(super) prefix: Option<Text<'a>>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct SecurityContext<'a> {
    pub(super) privileged: Option<bool>,
    #[serde(borrow)]
    pub(super) capabilities: Option<Capabilities<'a>>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Capabilities<'a> {
    #[serde(borrow)]
    pub(super) add: Option<Vec<Text<'a>>>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
pub(super) struct Resources<'a> {
    #[serde(borrow)]
    pub(super) limits: Option<Amounts<'a>>,
    #[serde(borrow)]
    pub(super) requests: Option<Amounts<'a>>,
}

/// The amounts of our resources in a list of resources.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Amounts<'a> {
    /// In the order of the review, by their full names.
    pub(super) fpga: Vec<(Text<'a>, Amount<'a>)>,
    /// Whether there are huge pages among the others.
    pub(super) has_hugepages: bool,
}

impl Amounts<'_> {
    pub(super) fn get(&self, resource: &str) -> Option<&Amount<'_>> {
        self.fpga.iter().find(|(name, _)| &**name == resource).map(|(_, amount)| amount)
    }
}

/// A quantity as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Amount<'a> {
    /// As Kubernetes writes it.
    Text(Text<'a>),
    /// As a JSON number, which Kubernetes reads too.
    Number(String),
}

impl Amount<'_> {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Number(digits) => digits,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Amount<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = Amount<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Amount<'de>, E> {
                Ok(Amount::Text(Text::from(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Amount<'de>, E> {
                Ok(Amount::Number(text.to_owned()))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Amount<'de>, E> {
                Ok(Amount::Number(number.to_string()))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Amount<'de>, E> {
                Ok(Amount::Number(number.to_string()))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Amount<'de>, E> {
                Ok(Amount::Number(number.to_string()))
            }
        }
        deserializer.deserialize_any(Written)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Amounts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ours;
        impl<'de> Visitor<'de> for Ours {
            type Value = Amounts<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of resources to quantities")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Amounts<'de>, A::Error> {
                let mut found = Amounts::default();
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    if !name.starts_with(PREFIX) {
                        found.has_hugepages |= name.starts_with("hugepages-");
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    if found.fpga.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format_args!("{} twice", quote(&name))));
                    }
                    found.fpga.push((name, map.next_value()?));
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(Ours)
    }
}
