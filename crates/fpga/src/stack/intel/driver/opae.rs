//! The calls in which Intel's out-of-tree driver differs (`intel-fpga.h` of OPAE).

use super::abi::{
    FME_CAP_ERR_IRQ, OpaeFmeInfo, OpaePortId, OpaePortInfo, OpaePortPr, PORT_CAP_ERR_IRQ, Request,
    opae,
};
use super::device::Device;
use super::error::{Error, Operation};
use super::fme::FmeInfo;
use super::port::PortInfo;

pub(super) fn port_info(device: &Device) -> Result<PortInfo, Error> {
    let mut info = OpaePortInfo::sized();
    device
        .call(&opae::PORT_GET_INFO, &mut info)
        .map_err(|errno| device.error(Operation::PortInfo, errno))?;
    Ok(PortInfo {
        num_regions: info.num_regions,
        num_umsgs: info.num_umsgs,
        num_error_irqs: u32::from(info.capability & PORT_CAP_ERR_IRQ != 0),
        num_uafu_irqs: info.num_uafu_irqs,
    })
}

pub(super) fn fme_info(device: &Device) -> Result<FmeInfo, Error> {
    let mut info = OpaeFmeInfo::sized();
    device
        .call(&opae::FME_GET_INFO, &mut info)
        .map_err(|errno| device.error(Operation::FmeInfo, errno))?;
    Ok(FmeInfo { num_error_irqs: u32::from(info.capability & FME_CAP_ERR_IRQ != 0) })
}

/// `payload` has a multiple of 4 bytes.
pub(super) fn port_pr(
    device: &Device,
    port_id: u32,
    payload: &[u8],
    size: u32,
) -> Result<(), Error> {
    let mut pr = OpaePortPr {
        port_id,
        buffer_size: size,
        buffer_address: payload.as_ptr().expose_provenance() as u64,
        ..OpaePortPr::sized()
    };
    let answer = device.call(&opae::FME_PORT_PR, &mut pr);
    // The status says more than the error number, and is looked at even when there is none.
    if pr.status != 0 {
        return Err(Error::Reconfiguration {
            path: device.path().to_owned(),
            port_id,
            status: pr.status,
        });
    }
    answer.map_err(|errno| device.error(Operation::Program, errno))
}

pub(super) fn port_release(device: &Device, port_id: u32) -> Result<(), Error> {
    port_by_id(device, &opae::FME_PORT_RELEASE, port_id, Operation::Release)
}

pub(super) fn port_assign(device: &Device, port_id: u32) -> Result<(), Error> {
    port_by_id(device, &opae::FME_PORT_ASSIGN, port_id, Operation::Assign)
}

fn port_by_id(
    device: &Device,
    request: &Request<OpaePortId>,
    port_id: u32,
    operation: Operation,
) -> Result<(), Error> {
    let mut argument = OpaePortId { port_id, ..OpaePortId::sized() };
    device.call(request, &mut argument).map_err(|errno| device.error(operation, errno))
}
