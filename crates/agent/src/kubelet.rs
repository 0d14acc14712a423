//! The kubelet's end: sockets of ours in its directory, and the calls that the agent makes to it.
//!
//! The kubelet's gRPC client must send a valid `:authority`, as it does since Kubernetes 1.26 (`localhost`);
//! HTTP/2 libraries in Rust refuse a bare socket path.

pub(crate) mod dial;
pub(crate) mod directory;
pub(crate) mod podresources;
pub(crate) mod socket;
