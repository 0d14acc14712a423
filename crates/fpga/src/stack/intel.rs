//! Intel's cards: the in-tree Device Feature List driver and the out-of-tree OPAE driver.

pub mod driver;
pub mod errors;
mod models;
pub mod scan;
