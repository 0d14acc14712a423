//! What differs by the kernel driver that a card is reached through.

pub mod intel;
