//! What the kubelet gets to know: one [`Device`] for each thing that a container can be given.

use std::collections::BTreeMap;

use fpga::id::DeviceId;
use fpga::names::ResourceName;

use crate::node::health::Reason;
use crate::node::units::Node;

/// The devices of each resource: cards by PCI address, a card's slots by number.
pub(crate) type Offer = BTreeMap<ResourceName, Vec<Device>>;

/// One allocatable device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    /// Id towards the kubelet, unique in its resource and stable over restarts.
    pub id: String,
    /// Whether the kubelet may give it to a container.
    pub health: Health,
    /// NUMA node of the card; `None` when the platform does not say.
    pub numa_node: Option<u32>,
    /// Device nodes that a container gets, in that order.
    pub nodes: Vec<Node>,
    /// Where it is.
    pub place: DeviceId,
    /// It is here only because somebody holds it: it has another name by now.
    pub is_over: bool,
}

/// Whether a device can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    /// It can.
    Healthy,
    /// It cannot for now; the kubelet keeps counting it.
    Unhealthy {
        reason: Reason,
        /// In one line.
        message: String,
    },
}

impl Device {
    /// True when the kubelet may give it to a container.
    #[must_use]
    pub(crate) fn is_healthy(&self) -> bool {
        self.health == Health::Healthy
    }
}
