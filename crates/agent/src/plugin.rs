//! The device plugin: what the kubelet is offered, and what a container gets.
//!
//! What is decided is pure: [`offer`] (what the node offers), [`preferred`] (which devices a container should
//! rather get) and [`messages`] (what it is given).

pub mod device;
pub mod handout;
pub mod lifecycle;
mod lists;
pub mod manager;
pub mod messages;
pub mod offer;
pub mod planner;
pub mod preferred;
pub mod service;
mod target;
