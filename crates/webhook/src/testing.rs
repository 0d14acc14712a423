//! For the tests of the webhook, its benchmark and its fuzz target: reviews as the API server sends them, and what must
//! hold for every one.
//!
//! Behind the feature `testing`, which only they ask for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)] // A panic is the failure report.

mod review;
mod world;

pub use review::{Answer, index, index_by, review};
pub use world::{World, review_of_case};
