//! The calls in which the in-tree driver differs (`drivers/fpga/dfl-afu-main.c`, `dfl-fme-*.c`).

use nix::errno::Errno;

use super::abi::{DflPortInfo, DflPortPr, Integer, Request, dfl};
use super::device::Device;
use super::error::{Error, Operation};
use super::fme::FmeInfo;
use super::port::PortInfo;

pub(super) fn port_info(device: &Device) -> Result<PortInfo, Error> {
    let mut info = DflPortInfo::sized();
    let fail = |errno| device.error(Operation::PortInfo, errno);
    device.call(&dfl::PORT_GET_INFO, &mut info).map_err(fail)?;
    Ok(PortInfo {
        num_regions: info.num_regions,
        num_umsgs: info.num_umsgs,
        num_error_irqs: interrupts(device, &dfl::PORT_ERR_GET_IRQ_NUM).map_err(fail)?,
        num_uafu_irqs: interrupts(device, &dfl::PORT_UINT_GET_IRQ_NUM).map_err(fail)?,
    })
}

pub(super) fn fme_info(device: &Device) -> Result<FmeInfo, Error> {
    let number = interrupts(device, &dfl::FME_ERR_GET_IRQ_NUM);
    Ok(FmeInfo { num_error_irqs: number.map_err(|errno| device.error(Operation::FmeInfo, errno))? })
}

/// The counts came with Linux 5.9, and only for features that the card has: the driver answers
/// EINVAL to a call that none of its features knows, which means that there are none.
fn interrupts(device: &Device, request: &Request<Integer>) -> Result<u32, Errno> {
    let mut number = Integer::default();
    match device.call(request, &mut number) {
        Ok(()) => Ok(number.0),
        Err(Errno::EINVAL) => Ok(0),
        Err(errno) => Err(errno),
    }
}

/// `payload` has a multiple of 4 bytes.
pub(super) fn port_pr(
    device: &Device,
    port_id: u32,
    payload: &[u8],
    size: u32,
) -> Result<(), Error> {
    let mut pr = DflPortPr {
        port_id,
        buffer_size: size,
        buffer_address: payload.as_ptr().expose_provenance() as u64,
        ..DflPortPr::sized()
    };
    device.call(&dfl::FME_PORT_PR, &mut pr).map_err(|errno| device.error(Operation::Program, errno))
}

pub(super) fn port_release(device: &Device, port_id: u32) -> Result<(), Error> {
    let call = device.call(&dfl::FME_PORT_RELEASE, &mut Integer(port_id));
    call.map_err(|errno| device.error(Operation::Release, errno))
}

pub(super) fn port_assign(device: &Device, port_id: u32) -> Result<(), Error> {
    let call = device.call(&dfl::FME_PORT_ASSIGN, &mut Integer(port_id));
    call.map_err(|errno| device.error(Operation::Assign, errno))
}
