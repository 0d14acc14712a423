//! The `v1beta1.DevicePlugin` service of one resource.

use std::sync::Arc;

use fpga::names::{Mode, ResourceName};
use kubelet_api::v1beta1::device_plugin_server::DevicePlugin;
use kubelet_api::v1beta1::{
    AllocateRequest, AllocateResponse, ContainerPreferredAllocationResponse, DevicePluginOptions,
    Empty, PreStartContainerRequest, PreStartContainerResponse, PreferredAllocationRequest,
    PreferredAllocationResponse,
};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::device::Device;
use crate::preferred::{self, prefer};
use crate::region::Handout;
use crate::wire::{self, AllocateError};

mod lists;

pub use lists::{Lists, Streams};

/// What a resource's server is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Offer these devices, at least one.
    Serve(Arc<[Device]>),
    /// Tell the kubelet that there are none any more, then end.
    Retire,
    /// End; the kubelet keeps what it knows, so that a restart of the agent disturbs nobody.
    Stop,
}

/// Optional calls that the kubelet may make, as registered.
pub const OPTIONS: DevicePluginOptions =
    DevicePluginOptions { pre_start_required: false, get_preferred_allocation_available: true };

/// The service. It only reads: what there is to offer comes through [`Target`].
#[derive(Debug)]
pub struct Plugin {
    name: ResourceName,
    mode: Mode,
    handout: Handout,
    target: watch::Receiver<Target>,
    streams: watch::Sender<Streams>,
}

impl Plugin {
    /// Offers what `target` says as resource `name` and counts its open lists in `streams`.
    #[must_use]
    pub fn new(
        name: ResourceName,
        mode: Mode,
        handout: Handout,
        target: watch::Receiver<Target>,
        streams: watch::Sender<Streams>,
    ) -> Self {
        Self { name, mode, handout, target, streams }
    }

    fn devices(&self) -> Result<Arc<[Device]>, Status> {
        match &*self.target.borrow() {
            Target::Serve(devices) => Ok(Arc::clone(devices)),
            Target::Retire | Target::Stop => {
                Err(Status::unavailable("the resource is being withdrawn"))
            }
        }
    }
}

#[tonic::async_trait]
impl DevicePlugin for Plugin {
    type ListAndWatchStream = Lists;

    async fn get_device_plugin_options(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<DevicePluginOptions>, Status> {
        Ok(Response::new(OPTIONS))
    }

    async fn list_and_watch(&self, _: Request<Empty>) -> Result<Response<Lists>, Status> {
        Ok(Response::new(Lists::new(self.target.clone(), self.streams.clone())))
    }

    async fn get_preferred_allocation(
        &self,
        request: Request<PreferredAllocationRequest>,
    ) -> Result<Response<PreferredAllocationResponse>, Status> {
        let devices = self.devices()?;
        let mut container_responses = Vec::new();
        for container in request.into_inner().container_requests {
            let size = usize::try_from(container.allocation_size).map_err(|_| {
                Status::invalid_argument(format!(
                    "allocation size {} is negative",
                    container.allocation_size
                ))
            })?;
            let request = preferred::Request {
                available: &container.available_device_ids,
                must_include: &container.must_include_device_ids,
                size,
            };
            let device_ids = prefer(&devices, request)
                .map_err(|error| Status::invalid_argument(error.to_string()))?;
            container_responses.push(ContainerPreferredAllocationResponse { device_ids });
        }
        Ok(Response::new(PreferredAllocationResponse { container_responses }))
    }

    async fn allocate(
        &self,
        request: Request<AllocateRequest>,
    ) -> Result<Response<AllocateResponse>, Status> {
        let devices = self.devices()?;
        let allocate = |container: &kubelet_api::v1beta1::ContainerAllocateRequest| {
            let programming = self.handout.programming();
            wire::allocate(&devices, self.mode, programming, &container.device_ids)
                .map_err(|error| refuse(&error))
        };
        let container_responses =
            request.get_ref().container_requests.iter().map(allocate).collect::<Result<_, _>>()?;
        if self.mode == Mode::Region {
            let containers = request.into_inner().container_requests.into_iter();
            let ids = containers.flat_map(|container| container.device_ids).collect();
            let handed_out = self.handout.hand_out(&self.name, ids).await;
            handed_out.map_err(|error| Status::failed_precondition(error.to_string()))?;
        }
        Ok(Response::new(AllocateResponse { container_responses }))
    }

    async fn pre_start_container(
        &self,
        _: Request<PreStartContainerRequest>,
    ) -> Result<Response<PreStartContainerResponse>, Status> {
        Err(Status::unimplemented(
            "PreStartContainer is not needed: the options say pre_start_required false",
        ))
    }
}

fn refuse(error: &AllocateError) -> Status {
    let message = error.to_string();
    match error {
        AllocateError::Unknown(_) => Status::invalid_argument(message),
        AllocateError::Unhealthy { .. } => Status::failed_precondition(message),
    }
}

#[cfg(test)]
mod tests;
