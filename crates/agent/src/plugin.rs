//! The device plugin: what the kubelet is offered, and what a container gets.
//!
//! What is decided is pure: [`offer`] (what the node offers), [`preferred`] (which devices a container should
//! rather get) and [`messages`] (what it is given).

pub(crate) mod device;
pub(crate) mod handout;
pub(crate) mod lifecycle;
mod lists;
pub(crate) mod manager;
pub(crate) mod messages;
pub(crate) mod offer;
pub(crate) mod planner;
pub(crate) mod preferred;
pub(crate) mod service;
mod target;
