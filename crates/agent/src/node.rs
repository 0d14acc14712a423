//! What the node has, and how it is: cards as they are scanned, and whether each part of them works.
//!
//! Nothing here knows the kubelet, the API server or the metrics: an [`inventory::Snapshot`] is published, and
//! [`units`] makes of it what can be given away.

mod busy;
pub(crate) mod health;
pub(crate) mod inventory;
pub(crate) mod units;
pub(crate) mod vanished;
