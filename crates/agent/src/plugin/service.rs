//! The `v1beta1.DevicePlugin` service of one resource.

use std::sync::Arc;

use fpga::names::{Mode, ResourceName};
use kubelet_api::v1beta1::device_plugin_server::DevicePlugin;
use kubelet_api::v1beta1::{
    AllocateRequest, AllocateResponse, ContainerAllocateRequest,
    ContainerPreferredAllocationResponse, DevicePluginOptions, Empty, PreStartContainerRequest,
    PreStartContainerResponse, PreferredAllocationRequest, PreferredAllocationResponse,
};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::target::Target;
use crate::holdings::Holdings;
use crate::metrics::{Metrics, Refusal};
use crate::plugin::device::Device;
use crate::plugin::handout::Handout;
use crate::plugin::messages::{self, AllocateError};
use crate::plugin::preferred::{self, prefer};

use super::lists::{Lists, Streams};

/// Optional calls that the kubelet may make, as registered.
pub(crate) const OPTIONS: DevicePluginOptions =
    DevicePluginOptions { pre_start_required: false, get_preferred_allocation_available: true };

/// The service. It only reads: what there is to offer comes through [`Target`].
#[derive(Debug)]
pub(crate) struct Plugin {
    name: ResourceName,
    holdings: Holdings,
    handout: Handout,
    target: watch::Receiver<Target>,
    streams: watch::Sender<Streams>,
    metrics: Metrics,
}

impl Plugin {
    /// Offers what `target` says as resource `name`, notes what it gives in `holdings`, counts its open lists in
    /// `streams`, and what it gives in `metrics`.
    #[must_use]
    pub(crate) fn new(
        name: ResourceName,
        holdings: Holdings,
        handout: Handout,
        target: watch::Receiver<Target>,
        streams: watch::Sender<Streams>,
        metrics: Metrics,
    ) -> Self {
        Self { name, holdings, handout, target, streams, metrics }
    }

    async fn give(&self, request: AllocateRequest) -> Result<AllocateResponse, (Refusal, Status)> {
        let (mode, devices) = self.serving().map_err(|status| (Refusal::Withdrawn, status))?;
        // Whatever is offered: what a name does not say is not given under it.
        if !self.handout.may_give(&self.name, mode) {
            let reason = format!("{} is not given in mode {mode}", self.name);
            return Err((Refusal::OtherMode, Status::failed_precondition(reason)));
        }
        let allocate = |container: &ContainerAllocateRequest| {
            let programming = self.handout.programming(mode);
            let given = messages::allocate(&devices, mode, programming, &container.device_ids)
                .map_err(|error| refuse(&error))?;
            Ok(match self.handout.bound_nodes() {
                Some(directory) => messages::bind(given, directory),
                None => given,
            })
        };
        let container_responses = request
            .container_requests
            .iter()
            .map(allocate)
            .collect::<Result<_, (Refusal, Status)>>()?;
        let ids: Vec<_> = request
            .container_requests
            .into_iter()
            .flat_map(|container| container.device_ids)
            .collect();
        let given: Vec<&Device> =
            ids.iter().filter_map(|id| devices.iter().find(|device| device.id == *id)).collect();
        // Before anything is waited for, so that no plan misses it.
        self.holdings.given(&self.name, &ids);
        if let Err(error) = self.handout.hand_out(mode, &given).await {
            self.holdings.taken_back(&self.name, &ids);
            return Err((Refusal::NoSpec, Status::failed_precondition(error.to_string())));
        }
        self.metrics.allocated(&self.name, ids.len());
        Ok(AllocateResponse { container_responses })
    }

    fn serving(&self) -> Result<(Mode, Arc<[Device]>), Status> {
        match &*self.target.borrow() {
            Target::Serve(mode, devices) => Ok((*mode, Arc::clone(devices))),
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
        let (_, devices) = self.serving()?;
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
        self.give(request.into_inner()).await.map(Response::new).map_err(|(reason, status)| {
            self.metrics.refused(&self.name, reason);
            status
        })
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

fn refuse(error: &AllocateError) -> (Refusal, Status) {
    let message = error.to_string();
    match error {
        AllocateError::Unknown(_) => (Refusal::Unknown, Status::invalid_argument(message)),
        AllocateError::Unhealthy { .. } => {
            (Refusal::Unhealthy, Status::failed_precondition(message))
        }
    }
}

#[cfg(test)]
mod tests;
