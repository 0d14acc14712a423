//! What is kept of an object: as little as reviews and its status need, for there may be thousands.

use std::borrow::Cow;

use fpga_api::{Fault, Kind, Manifest, Meaning, Status};
use kube::Resource;
use kube::runtime::reflector::Lookup;

/// An object as it was when it was last heard of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Declared {
    pub(crate) namespace: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) uid: Option<Box<str>>,
    pub(crate) generation: Option<i64>,
    pub(crate) meaning: Result<Meaning, Fault>,
    pub(crate) status: Box<Status>,
}

impl Declared {
    pub(crate) fn new(kind: Kind, object: Manifest) -> Self {
        Self {
            namespace: object.namespace().into(),
            name: object.name().into(),
            meaning: object.meaning(kind),
            uid: object.metadata.uid.map(Into::into),
            generation: object.metadata.generation,
            status: Box::new(object.status),
        }
    }
}

impl Lookup for Declared {
    type DynamicType = Kind;

    fn kind(kind: &Kind) -> Cow<'_, str> {
        <Manifest as Resource>::kind(kind)
    }

    fn group(kind: &Kind) -> Cow<'_, str> {
        <Manifest as Resource>::group(kind)
    }

    fn version(kind: &Kind) -> Cow<'_, str> {
        <Manifest as Resource>::version(kind)
    }

    fn plural(kind: &Kind) -> Cow<'_, str> {
        <Manifest as Resource>::plural(kind)
    }

    fn name(&self) -> Option<Cow<'_, str>> {
        Some(Cow::from(&*self.name))
    }

    fn namespace(&self) -> Option<Cow<'_, str>> {
        Some(Cow::from(&*self.namespace))
    }

    fn resource_version(&self) -> Option<Cow<'_, str>> {
        None
    }

    fn uid(&self) -> Option<Cow<'_, str>> {
        None
    }
}
