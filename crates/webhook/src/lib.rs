//! The admission webhook.

pub mod certificates;
pub mod client;
pub mod lease;
pub mod metrics;
pub mod readiness;
pub mod server;
pub mod tls;
