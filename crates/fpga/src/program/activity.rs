//! What a card is doing, for who looks from outside and holds no lock.

use super::manager::Manager;
use super::target::Management;
use crate::card::Card;
use crate::root::Root;

/// True when a region of `card` that reads as busy ([`crate::card::Function::Busy`]) is so because it is
/// being programmed, as far as the card's FPGA manager tells; false when a programming that failed has left
/// it so.
///
/// A region that is seen busy and whose programming ends before this is asked reads false too, so whoever
/// acts on false looks a second time. With the out-of-tree driver, which leaves no region disabled, it is
/// always true; so it is when the manager cannot be read.
#[must_use]
pub fn is_programming(root: &Root, card: &Card) -> bool {
    Manager::of(&Management::new(root, card)).map_or(true, |manager| manager.explains_busy())
}
