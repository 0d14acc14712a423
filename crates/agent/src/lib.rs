//! The node agent: tells the kubelet which FPGA functions and regions the node has, and gives them to
//! containers.
//!
//! ```text
//!  kernel ──uevents──▶ inventory ──Snapshot───┐            ┌─ lifecycle (one a resource) ─┐
//!  (sysfs)             (thread)               ▼            │  endpoint   own socket       │
//!  API server ───────▶ mode ──────Mode──▶ manager ─Target─▶│  register   to the kubelet   │◀─▶ kubelet
//!                                        (resources)       │  plugin     List, Allocate   │
//!  socket directory ─▶ socket_dir ────────Seen────────────▶└──────────────────────────────┘
//! ```
//!
//! In region mode, three more: [`cdi`] has the specs by which a container runtime gets a region programmed,
//! [`grants`] keeps the file that says which functions each namespace may have programmed, and [`release`]
//! cleans the regions that pods have left.
//!
//! What is decided is pure: [`plugin::offer`] (what the node offers), [`plugin::preferred`] (which devices a
//! container should rather get) and [`plugin::messages`] (what it is given). Everything else carries values between
//! them over watch channels, each of which holds the newest value only, so that nobody waits for a
//! slow reader.
//!
//! The kubelet's gRPC client must send an `:authority` that is a valid one, as it does since
//! Kubernetes 1.26 (`localhost`); HTTP/2 libraries in Rust refuse a bare socket path.

pub mod args;
pub mod cdi;
pub mod config;
pub mod grants;
pub mod kubelet;
pub mod metrics;
pub mod mode;
pub mod node;
pub mod node_status;
mod paths;
pub mod plugin;
pub mod release;
pub mod results;
pub mod run;
pub mod status;

#[cfg(test)]
mod testing;
