//! The admission webhook: pods ask for accelerator functions by names that people can read, and get what
//! their namespace was granted.
//!
//! [`decide`](decide::decide) is a pure function of a review's bytes and the [`Index`](index::Index) of
//! objects; everything else here brings the two together.

pub mod args;
pub mod certificates;
pub mod client;
pub mod config;
pub mod control;
pub mod decide;
pub mod events;
pub mod follow;
pub mod index;
pub mod lease;
pub mod logging;
pub mod metrics;
pub mod readiness;
pub mod review;
pub mod run;
pub mod server;
pub mod status;
pub mod tls;
