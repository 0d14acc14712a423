//! What is done with one container.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fpga::bitstream::ImageId;
use fpga::id::InterfaceId;
use fpga::names::{Mode, Named, ResourceName};

use super::env::{self, Promise};
use super::pod::{Amounts, Container, PREFIX};
use super::quantity::{self, Quantity};
use super::refusal::Fault;
use super::{Settings, hints};
use crate::index::{Found, Modes, Namespace, Offer};

/// The namespace of a pod.
#[derive(Debug, Clone, Copy)]
pub(super) struct Home<'a> {
    pub(super) name: &'a str,
    /// `None` when it has no object.
    pub(super) objects: Option<&'a Namespace>,
}

/// What a container gets.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    /// Resources by which it asks, that are to be removed.
    pub(super) removed: Vec<&'a str>,
    /// Resources that it is to have instead, with how many of each.
    pub(super) added: BTreeMap<Arc<str>, u64>,
    /// The number of the first new promise.
    pub(super) first: usize,
    /// What is to be programmed for it beyond what its environment says already.
    pub(super) promises: Vec<Promise>,
    /// FPGAs of all kinds.
    pub(super) units: u64,
    /// The modes that all of it can be had in.
    pub(super) modes: Option<(Modes, &'a str)>,
    /// What it gets by the name of an object.
    pub(super) objects: Vec<&'a str>,
    /// The functions that it gets.
    pub(super) images: BTreeSet<ImageId>,
}

/// A resource that a container asks for.
struct Wish<'a> {
    /// In full.
    resource: &'a str,
    units: u64,
    got: Got<'a>,
}

enum Got<'a> {
    /// By the name of an object.
    Offer(&'a Offer),
    /// By its real name, in one of these modes.
    Real(ResourceName, Modes),
}

/// Finds what `container` gets; `None` when it has nothing to do with FPGAs.
pub(super) fn plan<'a>(
    container: &'a Container<'_>,
    home: Home<'a>,
    settings: &Settings,
) -> Result<Option<Plan<'a>>, Fault> {
    let wishes = wishes(container, home, settings)?;
    let real = |interface: InterfaceId| {
        let of = |wish: &&Wish<'_>| matches!(&wish.got, Got::Real(name, _) if name.named() == Named::Region(interface));
        wishes.iter().filter(of).map(|wish| wish.units).sum()
    };
    let promised = env::promises(container, home.objects, real)?;
    if wishes.is_empty() {
        return Ok(None);
    }
    let mut plan = Plan { first: promised.len() + 1, ..Plan::default() };
    let programmed: BTreeSet<_> = promised.iter().map(|(interface, _)| *interface).collect();
    plan.images.extend(promised.iter().map(|(_, image)| *image));
    for wish in &wishes {
        plan.units = plan.units.saturating_add(wish.units);
        if plan.units > settings.units {
            return Err(Fault::TooManyUnits { limit: settings.units });
        }
        let modes = match &wish.got {
            Got::Real(name, _) if matches!(name.named(), Named::Region(id) if programmed.contains(&id)) => {
                Modes::only(Mode::Region)
            }
            Got::Real(_, modes) => *modes,
            Got::Offer(offer) => Modes::only(offer.mode),
        };
        plan.agree(modes, wish.resource)?;
        plan.take(wish);
    }
    // A resource that stays is touched only if more of it is asked for by other names.
    for wish in wishes.iter().filter(|wish| matches!(wish.got, Got::Real(..))) {
        if let Some(units) = plan.added.get_mut(wish.resource) {
            *units += wish.units;
        }
    }
    Ok(Some(plan))
}

impl<'a> Plan<'a> {
    /// Holds the container to modes that one node can have.
    fn agree(&mut self, modes: Modes, resource: &'a str) -> Result<(), Fault> {
        let (common, first) = self.modes.unwrap_or((Modes::ALL, resource));
        let both = common.and(modes);
        if both.is_empty() {
            return Err(Fault::Modes {
                first: first.to_owned(),
                first_mode: hints::word(common),
                second: resource.to_owned(),
                second_mode: hints::word(modes),
            });
        }
        // Who is named is who narrowed the choice.
        self.modes = Some((both, if both == common { first } else { resource }));
        Ok(())
    }

    fn take(&mut self, wish: &Wish<'a>) {
        match &wish.got {
            Got::Real(name, _) => match name.named() {
                Named::Af(afu) | Named::EncodedAf(_, afu) => {
                    self.images.insert(ImageId::Afu(afu));
                }
                Named::Aocx(_)
                | Named::EncodedAocx(..)
                | Named::Region(_)
                | Named::RegionDevel(_) => {}
            },
            Got::Offer(offer) => {
                self.objects.push(wish.resource.strip_prefix(PREFIX).unwrap_or(wish.resource));
                self.images.extend(offer.image);
                // An object may be called as its resource.
                self.removed.push(wish.resource);
                *self.added.entry(Arc::clone(&offer.resource)).or_default() += wish.units;
                if let (Mode::Region, Some(interface), Some(image)) =
                    (offer.mode, offer.interface, offer.image)
                {
                    self.promises.extend((0..wish.units).map(|_| (interface, image)));
                }
            }
        }
    }

    /// True when the container stays as it is.
    pub(super) fn is_empty(&self) -> bool {
        self.removed.is_empty()
    }
}

/// What the container asks for, in the order of the names.
fn wishes<'a>(
    container: &'a Container<'_>,
    home: Home<'a>,
    settings: &Settings,
) -> Result<Vec<Wish<'a>>, Fault> {
    let resources = container.resources.as_ref();
    let list = |amounts: Option<&'a Amounts<'_>>| amounts.map_or(&[][..], |list| &list.fpga);
    let limits = resources.and_then(|r| r.limits.as_ref());
    let requests = resources.and_then(|r| r.requests.as_ref());
    let both = list(limits).iter().chain(list(requests));
    let names: BTreeSet<&str> = both.map(|(name, _)| &**name).collect();
    if names.len() > settings.resources {
        return Err(Fault::TooManyResources { limit: settings.resources });
    }
    names
        .into_iter()
        .map(|resource| {
            let units = units(resource, limits, requests)?;
            Ok(Wish { resource, units, got: got(resource, home)? })
        })
        .collect()
}

/// How many are asked for. The API server takes a missing request to be the limit.
fn units(
    resource: &str,
    limits: Option<&Amounts<'_>>,
    requests: Option<&Amounts<'_>>,
) -> Result<u64, Fault> {
    let value = |amounts: Option<&Amounts<'_>>| {
        let Some(amount) = amounts.and_then(|amounts| amounts.get(resource)) else {
            return Ok(None);
        };
        match quantity::parse(amount.text()) {
            Some(Quantity::Whole(units)) => Ok(Some(units)),
            Some(Quantity::Other) | None => Err(Fault::NotIntegral {
                resource: resource.to_owned(),
                quantity: amount.text().to_owned(),
            }),
        }
    };
    match (value(limits)?, value(requests)?) {
        (Some(limit), None) => Ok(limit),
        (Some(limit), Some(request)) if limit == request => Ok(limit),
        (Some(_), Some(_)) => Err(Fault::Unequal(resource.to_owned())),
        (None, _) => Err(Fault::NoLimit(resource.to_owned())),
    }
}

/// Looks a resource up. What is a resource by itself is never taken for the name of an object.
fn got<'a>(resource: &'a str, home: Home<'a>) -> Result<Got<'a>, Fault> {
    if let Ok(name) = resource.parse::<ResourceName>() {
        return match home.objects.and_then(|objects| objects.granted(resource)) {
            Some(modes) => Ok(Got::Real(name, modes)),
            None => Err(Fault::NotGranted {
                resource: resource.to_owned(),
                namespace: home.name.to_owned(),
                hint: hints::development(&name, home),
            }),
        };
    }
    let name = resource.strip_prefix(PREFIX).unwrap_or(resource);
    match home.objects.map_or(Found::Nothing, |objects| objects.find(name)) {
        Found::Offer(offer) => Ok(Got::Offer(offer)),
        Found::Nothing => {
            Err(Fault::Unknown { resource: resource.to_owned(), hint: hints::instead(name, home) })
        }
        Found::Both => Err(Fault::Ambiguous { resource: resource.to_owned() }),
        Found::Fault(kind, reason) => Err(Fault::Faulty {
            resource: resource.to_owned(),
            kind,
            name: format!("{}/{name}", home.name),
            reason: reason.to_owned(),
        }),
    }
}
