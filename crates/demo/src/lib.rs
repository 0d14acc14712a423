//! A node on one machine, around the real shipped binaries: what the demo and the integration tests
//! are made of. Nothing in a shipped binary depends on it.
//!
//! [`kubelet`] is a stand-in for the kubelet's device manager that speaks the device plugin protocol
//! over real unix sockets, [`apiserver`] one for the API server, [`machine`] an emulated machine and its containers, [`act`] the scenario.
//! [`exposition`] reads what programs show to Prometheus.

pub mod act;
pub mod admission;
pub mod apiserver;
pub mod binaries;
pub mod bundle;
pub mod console;
pub mod exposition;
pub mod kubelet;
pub mod machine;
pub mod measure;
mod node;
pub mod process;
pub mod runtime;
pub mod scratch;
