//! What passes from the manager to the servers of the resources.

use std::sync::Arc;

use fpga::names::Mode;

use super::device::Device;

/// What a resource's server is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Offer these devices, at least one, with what the mode says that they stand for. A name that two modes have is
    /// served on: the kubelet would drop who registers at once again.
    Serve(Mode, Arc<[Device]>),
    /// Tell the kubelet that there are none any more, then end.
    Retire,
    /// End; the kubelet keeps what it knows, so that a restart of the agent disturbs nobody.
    Stop,
}
