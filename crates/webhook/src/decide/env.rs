//! The environment variables that tell the runtime hook what to program.

use std::collections::BTreeMap;

use fpga::bitstream::ImageId;
use fpga::id::InterfaceId;
use fpga::names::{PromisePart, PromiseVariable};

use super::pod::{Container, Variable};
use super::refusal::Fault;
use crate::index::Namespace;

/// A region to be programmed, and with what.
pub(super) type Promise = (InterfaceId, ImageId);

/// Finds what the environment of a container has been promised already.
///
/// What the author writes there is accepted only if the webhook could have written it for this very
/// container: numbers from one on, each with a region and a function in the spelling of the webhook,
/// granted to the namespace, and no more of them for an interface than the container asks for regions of it
/// by their real name, `units`.
pub(super) fn promises(
    container: &Container<'_>,
    namespace: Option<&Namespace>,
    units: impl Fn(InterfaceId) -> u64,
) -> Result<Vec<Promise>, Fault> {
    if let Some(prefix) = &container.env_from.reserved {
        return Err(Fault::ReservedPrefix(prefix.to_string()));
    }
    // Names of promises are the webhook's alone, the numberless pair of the seed among them: that is all that the
    // runtime hook reads.
    let reserved = &container.env.reserved;
    let Some((_, first)) = reserved.first() else { return Ok(Vec::new()) };
    let fault = |variable: &Variable<'_>, reason: &str| {
        Err(Fault::Reserved { name: variable.name.to_string(), reason: reason.to_owned() })
    };
    let count = reserved.len().div_ceil(2);
    let mut regions = vec![None; count];
    let mut images = vec![None; count];
    for (name, variable) in reserved {
        let Some(value) = literal(variable) else {
            return fault(variable, "it has no literal value");
        };
        let Some(at) = place(*name, count) else {
            return fault(variable, "its number is none of those that it would have");
        };
        let is_new = match name.part {
            PromisePart::Region => put(&mut regions, at, canonical::<InterfaceId>(value)),
            PromisePart::Function => put(&mut images, at, canonical::<ImageId>(value)),
        };
        if !is_new {
            return fault(variable, "it is there twice, or its value is no id in lower case");
        }
    }
    let mut promises = Vec::with_capacity(count);
    for pair in regions.into_iter().zip(images) {
        let (Some(interface), Some(image)) = pair else {
            return fault(first, "a region or function of the same number is missing");
        };
        if !namespace.is_some_and(|namespace| namespace.may_program(interface, image)) {
            return fault(first, "the namespace has no AcceleratorFunction for it");
        }
        promises.push((interface, image));
    }
    let mut counts = BTreeMap::<_, u64>::new();
    for (interface, _) in &promises {
        *counts.entry(*interface).or_default() += 1;
    }
    if counts.iter().any(|(interface, count)| *count > units(*interface)) {
        return fault(first, "this container asks for fewer regions than it has such variables");
    }
    Ok(promises)
}

/// True if some key after this prefix makes the name of a promise.
pub(super) fn may_be_promise(prefix: &str) -> bool {
    PromiseVariable::may_begin_with(prefix)
}

/// True if the prefix leaves no doubt what such a name would be for.
pub(super) fn begins_as_promise(prefix: &str) -> bool {
    PromisePart::ALL.iter().any(|part| prefix.starts_with(part.stem()))
}

fn literal<'a>(variable: &'a Variable<'_>) -> Option<&'a str> {
    variable.value.as_deref().filter(|_| variable.value_from.is_none())
}

/// The place of a variable among `count`; `None` if the webhook would not have given it its number.
fn place(variable: PromiseVariable, count: usize) -> Option<usize> {
    let number = usize::try_from(variable.number?.get()).ok()?;
    (number <= count).then(|| number - 1)
}

fn canonical<T: std::str::FromStr + ToString>(text: &str) -> Option<T> {
    text.parse().ok().filter(|id: &T| id.to_string() == text)
}

/// Fills a place; false when it is filled already or there is nothing to fill it with.
fn put<T>(places: &mut [Option<T>], at: usize, value: Option<T>) -> bool {
    match (places.get_mut(at), value) {
        (Some(place @ None), Some(value)) => {
            *place = Some(value);
            true
        }
        _ => false,
    }
}
