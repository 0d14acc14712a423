//! What a card is doing, for who looks from outside and holds no lock.

use crate::card::Card;
use crate::root::Root;
use crate::stack::Management;

/// True when a region of `card` that reads as busy ([`crate::card::Function::Busy`]) is so because it is
/// being programmed, as far as its driver tells; false when a programming that failed has left
/// it so.
///
/// A region that is seen busy and whose programming ends before this is asked reads false too, so whoever
/// acts on false looks a second time. With the out-of-tree driver, which leaves no region disabled, it is
/// always true; so it is when the driver does not say.
#[must_use]
pub fn is_programming(root: &Root, card: &Card) -> bool {
    let explains = |card: &Management| card.driver.stack().programmer()?.explains_busy(card).ok();
    explains(&Management::new(root, card)).unwrap_or(true)
}
