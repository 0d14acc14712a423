//! The books of the device manager: which devices exist, which are healthy, who holds them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kubelet_api::HEALTHY;
use kubelet_api::v1beta1::{
    AllocateRequest, ContainerAllocateRequest, ContainerAllocateResponse,
    ContainerPreferredAllocationRequest, Device, PreferredAllocationRequest,
};

use super::{Shared, connection};

/// Extended resources of a node, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Node {
    /// The resources that were ever registered.
    pub resources: BTreeMap<String, Resource>,
    /// Pods that need hold nothing.
    pub pods: BTreeSet<String>,
}

/// One extended resource.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resource {
    /// File name of the plugin's socket.
    pub endpoint: String,
    /// Whether the devices count: from a list on, and until a plugin was disconnected.
    pub connected: bool,
    /// The plugin that registered last was disconnected: it is not asked for anything.
    pub stopped: bool,
    /// The devices of the last list, by id.
    pub devices: BTreeMap<String, Device>,
    /// Holder of each device in use, by device id.
    pub allocated: BTreeMap<String, String>,
    pub(super) preferences: bool,
}

impl Resource {
    /// Devices that exist.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.devices.len()
    }

    /// Devices that a container can be given: healthy ones of a plugin that is there.
    #[must_use]
    pub fn allocatable(&self) -> usize {
        if self.connected {
            self.devices.values().filter(|d| d.health == HEALTHY).count()
        } else {
            0
        }
    }

    fn free(&self) -> Vec<String> {
        let free = self
            .devices
            .values()
            .filter(|d| d.health == HEALTHY && !self.allocated.contains_key(&d.id));
        free.map(|d| d.id.clone()).collect()
    }
}

impl Node {
    /// How many devices of `resource` a container can be given; 0 for an unknown one.
    #[must_use]
    pub fn allocatable(&self, resource: &str) -> usize {
        self.resources.get(resource).map_or(0, Resource::allocatable)
    }

    /// How many devices of `resource` exist; 0 for an unknown one.
    #[must_use]
    pub fn capacity(&self, resource: &str) -> usize {
        self.resources.get(resource).map_or(0, Resource::capacity)
    }

    pub(super) fn register(&mut self, resource: &str, endpoint: &str, preferences: bool) {
        let entry = self.resources.entry(resource.to_owned()).or_default();
        entry.endpoint = endpoint.to_owned();
        entry.preferences = preferences;
        entry.stopped = false;
    }

    /// Takes a list in, by whichever stream of the resource it came.
    pub(super) fn update(&mut self, resource: &str, devices: &[Device]) {
        if let Some(entry) = self.resources.get_mut(resource) {
            entry.connected = true;
            entry.devices = devices.iter().map(|d| (d.id.clone(), d.clone())).collect();
        }
    }

    /// Whoever has the resource's name was disconnected.
    pub(super) fn gone(&mut self, resource: &str) {
        if let Some(entry) = self.resources.get_mut(resource) {
            entry.connected = false;
            entry.stopped = true;
        }
    }

    pub(super) fn release(&mut self, container: &str) {
        for resource in self.resources.values_mut() {
            resource.allocated.retain(|_, holder| holder != container);
        }
    }
}

/// Why a container could not be given its devices.
#[derive(Debug, thiserror::Error)]
pub enum AllocationError {
    /// The scheduler would never have placed it here.
    #[error("requested {wanted} of {resource}, available: {available}")]
    TooFew {
        /// The resource.
        resource: String,
        /// Devices asked for.
        wanted: usize,
        /// Devices healthy and free.
        available: usize,
    },
    /// The plugin's socket did not answer.
    #[error("{resource}: cannot reach the plugin: {source}")]
    Unreachable {
        /// The resource.
        resource: String,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The plugin was disconnected, whatever it believes.
    #[error("{resource}: endpoint {endpoint} has been stopped")]
    Stopped {
        /// The resource.
        resource: String,
        /// File name of the plugin's socket.
        endpoint: String,
    },
    /// The plugin answered with an error.
    #[error("{resource}: {method} failed: {status}", status = .status.message())]
    Refused {
        /// The resource.
        resource: String,
        /// The method called.
        method: &'static str,
        /// The plugin's status.
        status: Box<tonic::Status>,
    },
    /// The plugin's answer breaks the protocol.
    #[error("{resource}: {method} answered {what}")]
    Protocol {
        /// The resource.
        resource: String,
        /// The method called.
        method: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

/// Chooses `amount` devices, books them for `container` and calls Allocate.
pub(super) async fn allocate(
    shared: &Arc<Shared>,
    container: &str,
    resource: &str,
    amount: usize,
) -> Result<ContainerAllocateResponse, AllocationError> {
    let Some(entry) = shared.state.borrow().node.resources.get(resource).cloned() else {
        return Err(AllocationError::TooFew {
            resource: resource.to_owned(),
            wanted: amount,
            available: 0,
        });
    };
    let free = if entry.connected { entry.free() } else { Vec::new() };
    if free.len() < amount {
        return Err(AllocationError::TooFew {
            resource: resource.to_owned(),
            wanted: amount,
            available: free.len(),
        });
    }
    if entry.stopped {
        return Err(AllocationError::Stopped {
            resource: resource.to_owned(),
            endpoint: entry.endpoint,
        });
    }
    let mut call = Call::dial(shared, resource, &entry).await?;
    let chosen = if entry.preferences && free.len() > amount {
        call.preferred(&free, amount).await?
    } else {
        free.into_iter().take(amount).collect()
    };
    shared.state.send_modify(|state| {
        if let Some(entry) = state.node.resources.get_mut(resource) {
            entry.allocated.extend(chosen.iter().map(|id| (id.clone(), container.to_owned())));
        }
    });
    call.allocate(chosen).await
}

struct Call<'a> {
    resource: &'a str,
    client:
        kubelet_api::v1beta1::device_plugin_client::DevicePluginClient<tonic::transport::Channel>,
}

impl<'a> Call<'a> {
    async fn dial(
        shared: &Shared,
        resource: &'a str,
        entry: &Resource,
    ) -> Result<Self, AllocationError> {
        let client =
            connection::dial(&shared.directory.join(&entry.endpoint)).await.map_err(|source| {
                AllocationError::Unreachable { resource: resource.to_owned(), source }
            })?;
        Ok(Self { resource, client })
    }

    fn refused(&self, method: &'static str, status: tonic::Status) -> AllocationError {
        AllocationError::Refused {
            resource: self.resource.to_owned(),
            method,
            status: Box::new(status),
        }
    }

    fn protocol(&self, method: &'static str, what: impl Into<String>) -> AllocationError {
        AllocationError::Protocol { resource: self.resource.to_owned(), method, what: what.into() }
    }

    async fn preferred(
        &mut self,
        free: &[String],
        amount: usize,
    ) -> Result<Vec<String>, AllocationError> {
        const METHOD: &str = "GetPreferredAllocation";
        let request = PreferredAllocationRequest {
            container_requests: vec![ContainerPreferredAllocationRequest {
                available_device_ids: free.to_vec(),
                must_include_device_ids: Vec::new(),
                allocation_size: i32::try_from(amount).unwrap_or(i32::MAX),
            }],
        };
        let response = self.client.get_preferred_allocation(request).await;
        let response = response.map_err(|status| self.refused(METHOD, status))?.into_inner();
        let [answer] = <[_; 1]>::try_from(response.container_responses)
            .map_err(|r| self.protocol(METHOD, format!("{} containers instead of 1", r.len())))?;
        let unique: BTreeSet<_> = answer.device_ids.iter().collect();
        if unique.len() != amount || !unique.iter().all(|id| free.contains(id)) {
            return Err(
                self.protocol(METHOD, format!("{:?} for {amount} of {free:?}", answer.device_ids))
            );
        }
        Ok(answer.device_ids)
    }

    async fn allocate(
        &mut self,
        device_ids: Vec<String>,
    ) -> Result<ContainerAllocateResponse, AllocationError> {
        const METHOD: &str = "Allocate";
        let request =
            AllocateRequest { container_requests: vec![ContainerAllocateRequest { device_ids }] };
        let response = self.client.allocate(request).await;
        let response = response.map_err(|status| self.refused(METHOD, status))?.into_inner();
        let [answer] = <[_; 1]>::try_from(response.container_responses)
            .map_err(|r| self.protocol(METHOD, format!("{} containers instead of 1", r.len())))?;
        Ok(answer)
    }
}
