//! The admission webhook: pods ask for accelerator functions by names that people can read, and get what
//! their namespace was granted.
//!
//! [`decide`](decide::decide) is a pure function of a review's bytes and the [`Index`](index::Index) of
//! objects; everything else here brings the two together.

pub mod certificates;
pub mod client;
pub mod decide;
pub mod index;
pub mod lease;
pub mod metrics;
pub mod readiness;
pub mod server;
pub mod tls;
