//! The runtime hook as a process: what a runtime gives it, cards that answer its ioctls, and what it
//! makes of them.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A panic in a test is the failure report.

mod accept;
mod allocation;
mod aocx;
mod clean;
mod container;
mod crowd;
mod fuzz_corpus;
mod mark;
mod node;
mod owner;
mod reject;
mod results;
mod services;
mod turnover;
