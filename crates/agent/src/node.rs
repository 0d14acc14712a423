//! What the node has, and how it is: cards as they are scanned, and whether each part of them works.
//!
//! Nothing here knows the kubelet, the API server or the metrics: a [`inventory::Snapshot`] is published, and
//! whoever wants to know reads it.

mod busy;
pub mod health;
pub mod inventory;
