//! From sysfs to an [`Inventory`], whatever the drivers.

use crate::card::{Card, Inventory, Problem, Vitals};
use crate::root::Root;
use crate::stack;

/// Scans the node. Never fails as a whole: what cannot be read is a diagnosed entry of the result.
#[must_use]
pub fn scan(root: &Root) -> Inventory {
    let mut inventory = Inventory::default();
    for stack in stack::ALL {
        stack.scan(root, &mut inventory);
    }
    inventory.cards.sort_by_key(|card| (card.id, card.driver));
    inventory
}

/// Reads how `card` is. What cannot be read is left out, and a problem.
#[must_use]
pub fn vitals(root: &Root, card: &Card) -> (Vitals, Vec<Problem>) {
    card.driver.stack().vitals(root, card)
}
