//! The objects of one namespace, and what they grant together.

use std::sync::Arc;

use fpga::bitstream::ImageId;
use fpga::id::InterfaceId;
use fpga::names::Mode;
use fpga_api::Kind;

use super::offer::{Modes, Offer};

/// The objects of one namespace.
#[derive(Debug, Clone, Default)]
pub struct Namespace {
    functions: Vec<Item>,
    regions: Vec<Item>,
    /// By resource, the modes that pods may have it in.
    resources: Vec<(Arc<str>, Modes)>,
    /// What may be programmed into which regions.
    programs: Vec<(InterfaceId, ImageId)>,
}

#[derive(Debug, Clone)]
struct Item {
    name: Box<str>,
    offer: Result<Offer, Box<str>>,
}

/// What there is of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// Nothing.
    Nothing,
    /// One good object.
    Offer(&'a Offer),
    /// One object that offers nothing.
    Fault(Kind, &'a str),
    /// One object of each kind.
    Both,
}

impl Namespace {
    /// Looks a name up.
    #[must_use]
    pub fn find(&self, name: &str) -> Found<'_> {
        let get = |kind| {
            let items = self.items(kind);
            position(items, name).ok().and_then(|at| items.get(at)).map(|item| (kind, item))
        };
        match (get(Kind::Function), get(Kind::Region)) {
            (None, None) => Found::Nothing,
            (Some(_), Some(_)) => Found::Both,
            (Some((kind, item)), None) | (None, Some((kind, item))) => match &item.offer {
                Ok(offer) => Found::Offer(offer),
                Err(reason) => Found::Fault(kind, reason),
            },
        }
    }

    /// The modes in which pods may ask for a resource by its real name; `None` when they may not.
    #[must_use]
    pub fn granted(&self, resource: &str) -> Option<Modes> {
        let at = self.resources.binary_search_by(|(name, _)| (**name).cmp(resource)).ok()?;
        self.resources.get(at).map(|(_, modes)| *modes)
    }

    /// True when pods may have `image` programmed into a region of `interface`.
    #[must_use]
    pub fn may_program(&self, interface: InterfaceId, image: ImageId) -> bool {
        self.programs.binary_search(&(interface, image)).is_ok()
    }

    /// The names of all objects.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.functions.iter().chain(&self.regions).map(|item| &*item.name)
    }

    /// What its objects offer.
    fn offers(&self) -> impl Iterator<Item = &Offer> {
        self.functions.iter().chain(&self.regions).filter_map(|item| item.offer.as_ref().ok())
    }

    pub(super) fn len(&self) -> usize {
        self.functions.len() + self.regions.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes an object in, or a new state of it.
    pub(super) fn insert(&mut self, kind: Kind, name: &str, offer: Result<Offer, String>) {
        let offer = offer.map_err(String::into_boxed_str);
        let items = self.items_mut(kind);
        match position(items, name) {
            Ok(at) => {
                if let Some(item) = items.get_mut(at) {
                    item.offer = offer;
                }
            }
            Err(at) => items.insert(at, Item { name: name.into(), offer }),
        }
        self.sum();
    }

    pub(super) fn remove(&mut self, kind: Kind, name: &str) {
        let items = self.items_mut(kind);
        if let Ok(at) = position(items, name) {
            items.remove(at);
        }
        self.sum();
    }

    /// Its objects of the other kind. [`Self::settle`] completes it.
    pub(super) fn without(&self, kind: Kind) -> Self {
        let mut rest = Self::default();
        let other = match kind {
            Kind::Function => Kind::Region,
            Kind::Region => Kind::Function,
        };
        *rest.items_mut(other) = self.items(other).to_vec();
        rest
    }

    /// Adds one of many objects, out of order. [`Self::settle`] completes it.
    pub(super) fn add(&mut self, kind: Kind, name: &str, offer: Result<Offer, String>) {
        let offer = offer.map_err(String::into_boxed_str);
        self.items_mut(kind).push(Item { name: name.into(), offer });
    }

    /// Brings what was added in order.
    pub(super) fn settle(&mut self) {
        for items in [&mut self.functions, &mut self.regions] {
            items.sort_by(|a, b| a.name.cmp(&b.name));
            items.dedup_by(|a, b| a.name == b.name);
            items.shrink_to_fit();
        }
        self.sum();
    }

    /// Finds what the objects grant together.
    fn sum(&mut self) {
        let mut resources: Vec<_> = self
            .offers()
            .map(|offer| (Arc::clone(&offer.resource), Modes::only(offer.mode)))
            .collect();
        resources.sort();
        resources.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            if is_same {
                kept.1 = kept.1.or(next.1);
            }
            is_same
        });
        resources.shrink_to_fit();
        let mut programs: Vec<_> = self
            .offers()
            .filter(|offer| offer.mode == Mode::Region)
            .filter_map(|offer| offer.interface.zip(offer.image))
            .collect();
        programs.sort();
        programs.dedup();
        programs.shrink_to_fit();
        (self.resources, self.programs) = (resources, programs);
    }

    fn items(&self, kind: Kind) -> &[Item] {
        match kind {
            Kind::Function => &self.functions,
            Kind::Region => &self.regions,
        }
    }

    fn items_mut(&mut self, kind: Kind) -> &mut Vec<Item> {
        match kind {
            Kind::Function => &mut self.functions,
            Kind::Region => &mut self.regions,
        }
    }
}

/// Where the name is in `items`, or where it would go.
fn position(items: &[Item], name: &str) -> Result<usize, usize> {
    items.binary_search_by(|item| (*item.name).cmp(name))
}
