//! The parts of a pod that are decided on, borrowed from the review.
//!
//! All else is passed over while it is read: a pod may have as many containers and variables as it likes as long as
//! they have nothing to do with FPGAs, and takes no memory for them.

use std::fmt;

use fpga::names::{CONTAINER_DEVICES_ANNOTATION, CONTAINER_MODE_ANNOTATION, PromiseVariable};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::bounded::{Object, each, flag, keep, no_text, object};
use super::env::{begins_as_promise, may_be_promise};
use super::text::{Text, quote};

/// Start of the names of all extended resources of ours. `fpga.intel.community/x` is not one.
pub(super) const PREFIX: &str = "fpga.intel.com/";

/// Annotations that are for the device plugin to give, which a runtime would believe.
pub(super) const RESERVED: [&str; 2] = [CONTAINER_MODE_ANNOTATION, CONTAINER_DEVICES_ANNOTATION];

/// Containers of one list that have to do with FPGAs; twice what [`Settings`](super::Settings) lets ask for them.
const CONTAINERS_LIMIT: usize = 128;
/// Variables of one container that are ours to set: those of 256 promises, which is as many as a pod can have.
const VARIABLES_LIMIT: usize = 512;
/// Resources of ours in one list of a container; twice what may be asked for.
const RESOURCES_LIMIT: usize = 64;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Pod<'a> {
    #[serde(borrow, default, deserialize_with = "object")]
    pub(super) metadata: Option<Metadata<'a>>,
    #[serde(borrow, default, deserialize_with = "object")]
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
    /// The one that makes the pod.
    #[serde(borrow, default, rename = "ownerReferences", deserialize_with = "controller")]
    pub(super) controller: Option<OwnerReference<'a>>,
    #[serde(borrow)]
    pub(super) annotations: Option<Annotations<'a>>,
}

fn controller<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<OwnerReference<'de>>, D::Error> {
    let mut found = None;
    each(deserializer, |Object(owner): Object<OwnerReference<'de>>| {
        if found.is_none() && owner.controller == Some(true) {
            found = Some(owner);
        }
        Ok(())
    })?;
    Ok(found)
}

/// What a pod has of the [`RESERVED`] annotations, in their order.
#[derive(Debug, Default)]
pub(super) struct Annotations<'a> {
    pub(super) reserved: [Option<Text<'a>>; 2],
}

impl<'de: 'a, 'a> Deserialize<'de> for Annotations<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reserved;
        impl<'de> Visitor<'de> for Reserved {
            type Value = Annotations<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of annotations")
            }
            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Annotations<'de>, A::Error> {
                let mut found = Annotations::default();
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    let mut both = RESERVED.into_iter().zip(&mut found.reserved);
                    match both.find(|(known, _)| *known == &*name) {
                        Some((_, place)) => *place = Some(map.next_value()?),
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(found)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Annotations<'de>, E> {
                Err(no_text(text, "a map of annotations"))
            }
        }
        deserializer.deserialize_any(Reserved)
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
    #[serde(default, deserialize_with = "flag")]
    controller: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec<'a> {
    #[serde(borrow, default)]
    pub(super) init_containers: Containers<'a>,
    #[serde(borrow, default)]
    pub(super) containers: Containers<'a>,
    #[serde(borrow, default)]
    pub(super) ephemeral_containers: Containers<'a>,
    /// What all containers may use together.
    #[serde(borrow, default, deserialize_with = "object")]
    pub(super) resources: Option<Resources<'a>>,
}

/// The containers of a list that have to do with FPGAs, each with its place in the list.
#[derive(Debug, Default)]
pub(super) struct Containers<'a>(Vec<(usize, Container<'a>)>);

impl<'a> Containers<'a> {
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Container<'a>)> {
        self.0.iter().map(|(place, container)| (*place, container))
    }

    /// The one at a place of the list.
    pub(super) fn at(&self, place: usize) -> Option<&Container<'a>> {
        let found = self.0.binary_search_by_key(&place, |(place, _)| *place).ok()?;
        self.0.get(found).map(|(_, container)| container)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Containers<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (mut list, mut place) = (Vec::new(), 0);
        each(deserializer, |Object(container): Object<Container<'a>>| {
            let here = place;
            place += 1;
            if !container.is_concerned() {
                return Ok(());
            }
            let what = "containers in one list ask for FPGAs or set their variables";
            keep(&mut list, (here, container), CONTAINERS_LIMIT, what)
        })?;
        Ok(Self(list))
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container<'a> {
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub(super) resources: Option<Resources<'a>>,
    #[serde(borrow, default)]
    pub(super) env: Environment<'a>,
    #[serde(borrow, default)]
    pub(super) env_from: Prefixes<'a>,
    #[serde(default, rename = "securityContext", deserialize_with = "may_lock")]
    pub(super) may_lock: bool,
}

impl Container<'_> {
    /// Whether there is anything to be decided about it.
    fn is_concerned(&self) -> bool {
        let resources = self.resources.iter().flat_map(|r| [&r.limits, &r.requests]).flatten();
        resources.into_iter().any(|list| !list.fpga.is_empty())
            || !self.env.reserved.is_empty()
            || self.env_from.reserved.is_some()
    }
}

/// What is ours of a container's `env`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Environment<'a> {
    /// Whether there is a list at all, be it an empty one.
    pub(super) is_there: bool,
    /// The variables whose names are for the webhook to set.
    pub(super) reserved: Vec<(PromiseVariable, Variable<'a>)>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Environment<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut reserved = Vec::new();
        let is_there =
            each(
                deserializer,
                |Object(variable): Object<Variable<'a>>| match PromiseVariable::parse(
                    &variable.name,
                ) {
                    Some(name) => keep(
                        &mut reserved,
                        (name, variable),
                        VARIABLES_LIMIT,
                        "variables of a container are reserved ones",
                    ),
                    None => Ok(()),
                },
            )?;
        Ok(Self { is_there, reserved })
    }
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

/// The starts of names of variables that come many at once, from objects that are not seen here; the first of each
/// kind that matters.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Prefixes<'a> {
    /// One that leaves no doubt that reserved names are meant.
    pub(super) reserved: Option<Text<'a>>,
    /// One that some key would make a reserved name of.
    pub(super) doubtful: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    prefix: Option<Text<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Prefixes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = Self::default();
        each(deserializer, |Object(source): Object<Source<'a>>| {
            let is_ours = |prefix: &Text<'_>| !prefix.is_empty() && may_be_promise(prefix);
            if let Some(prefix) = source.prefix.filter(is_ours) {
                let is_plain = begins_as_promise(&prefix);
                let place = if is_plain { &mut found.reserved } else { &mut found.doubtful };
                place.get_or_insert(prefix);
            }
            Ok(())
        })?;
        Ok(found)
    }
}

/// Whether a security context lets a container lock memory.
fn may_lock<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    struct SecurityContext {
        #[serde(default, deserialize_with = "flag")]
        privileged: Option<bool>,
        #[serde(default, deserialize_with = "object")]
        capabilities: Option<Capabilities>,
    }
    #[derive(Deserialize)]
    struct Capabilities {
        #[serde(default, rename = "add", deserialize_with = "has_lock")]
        has_lock: bool,
    }
    fn has_lock<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
        let mut found = false;
        each(deserializer, |name: Text<'de>| {
            found |= matches!(&*name, "IPC_LOCK" | "CAP_IPC_LOCK" | "ALL");
            Ok(())
        })?;
        Ok(found)
    }
    let context: Option<SecurityContext> = object(deserializer)?;
    Ok(context.is_some_and(|context| {
        context.privileged == Some(true) || context.capabilities.is_some_and(|c| c.has_lock)
    }))
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
                    let amount = map.next_value()?;
                    let what = "resources of fpga.intel.com in one list of a container";
                    keep(&mut found.fpga, (name, amount), RESOURCES_LIMIT, what)
                        .map_err(A::Error::custom)?;
                }
                Ok(found)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Amounts<'de>, E> {
                Err(no_text(text, "a map of resources to quantities"))
            }
        }
        deserializer.deserialize_any(Ours)
    }
}
