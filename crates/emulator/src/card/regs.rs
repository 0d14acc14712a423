//! Register offsets and fields (`drivers/fpga/dfl.h`, `dfl-fme-main.c`, `dfl-fme-error.c`, `dfl-fme-mgr.c`,
//! `dfl-afu-error.c` of Linux 6.1). Offsets of the management engine are from BAR 0, those of a port from the
//! port's start.

/// Bytes between two ports in their BAR.
pub const PORT_SPAN: u64 = 0x8_0000;
/// Where a port's accelerator function starts.
pub const AFU_OFFSET: u64 = 0x4_0000;
/// Size of a function's register space: the region that user space maps.
pub const AFU_SIZE: u64 = AFU_BYTES as u64;
/// The same as a length in memory.
pub const AFU_BYTES: usize = 0x4_0000;

/// Lower half of the id of the component at this place.
pub const GUID_L: u64 = 0x08;
/// Upper half.
pub const GUID_H: u64 = 0x10;
/// Offset of the next function.
pub const NEXT_AFU: u64 = 0x18;

/// Management engine: capabilities.
pub const FME_CAP: u64 = 0x30;
/// Management engine: where port 0 is; the others follow at 8 bytes each.
pub const FME_PORT_OFST: u64 = 0x38;
/// In [`FME_PORT_OFST`]: the port exists.
pub const PORT_OFST_IMP: u64 = 1 << 60;
/// In [`FME_PORT_OFST`]: the port is reached through a virtual function.
pub const PORT_OFST_VF: u64 = 1 << 55;
/// Management engine: static-region id.
pub const BITSTREAM_ID: u64 = 0x60;
/// Management engine: static-region build data.
pub const BITSTREAM_MD: u64 = 0x68;

/// Thermal feature.
pub const THERMAL: u64 = 0x1000;
/// Temperature thresholds.
pub const THERM_THRESHOLD: u64 = THERMAL + 0x08;
/// Temperature sensor, degrees Celsius in bits 6:0.
pub const THERM_SENSOR: u64 = THERMAL + 0x10;
/// Power feature.
pub const POWER: u64 = 0x2000;
/// Power consumed, watts in bits 17:0.
pub const PWR_STATUS: u64 = POWER + 0x08;
/// Power thresholds, watts in bits 6:0 and 14:8.
pub const PWR_THRESHOLD: u64 = POWER + 0x10;
/// Performance counter feature.
pub const IPERF: u64 = 0x3000;

/// Global error feature.
pub const FME_ERR: u64 = 0x4000;
/// Management engine errors.
pub const FME_ERROR: u64 = FME_ERR + 0x10;
/// Errors of PCIe link 0.
pub const PCIE0_ERROR: u64 = FME_ERR + 0x20;
/// Errors of PCIe link 1.
pub const PCIE1_ERROR: u64 = FME_ERR + 0x30;
/// The first error that was latched.
pub const FME_FIRST_ERROR: u64 = FME_ERR + 0x38;
/// The one after it.
pub const FME_NEXT_ERROR: u64 = FME_ERR + 0x40;
/// Errors that are not fatal.
pub const RAS_NONFATAL_ERROR: u64 = FME_ERR + 0x50;
/// Catastrophic and fatal errors.
pub const RAS_CATFATAL_ERROR: u64 = FME_ERR + 0x60;
/// Error injection: bit 0 catastrophic, bit 1 fatal, bit 2 not fatal.
pub const RAS_ERROR_INJECT: u64 = FME_ERR + 0x68;
/// Interrupt of the error feature: bit 0 supported, vector from bit 1.
pub const FME_ERR_CAP: u64 = FME_ERR + 0x70;

/// Partial reconfiguration feature.
pub const PR: u64 = 0x5000;
/// Reconfiguration control.
pub const PR_CTRL: u64 = PR + 0x08;
/// Reconfiguration status.
pub const PR_STS: u64 = PR + 0x10;
/// One 32-bit word of the bitstream.
pub const PR_DATA: u64 = PR + 0x18;
/// Reconfiguration errors, write one to clear.
pub const PR_ERR: u64 = PR + 0x20;
/// Interface id, lower half.
pub const PR_INTFC_ID_L: u64 = PR + 0xa8;
/// Interface id, upper half.
pub const PR_INTFC_ID_H: u64 = PR + 0xb0;

/// [`PR_CTRL`]: reset the engine.
pub const PR_RST: u64 = 1;
/// [`PR_CTRL`]: the reset is done.
pub const PR_RSTACK: u64 = 1 << 4;
/// [`PR_CTRL`]: the region is in bits 9:7.
pub const PR_REGION_SHIFT: u32 = 7;
/// [`PR_CTRL`]: start; clear again when done.
pub const PR_START: u64 = 1 << 12;
/// [`PR_CTRL`]: the last word was written.
pub const PR_COMPLETE: u64 = 1 << 13;
/// [`PR_STS`]: the operation failed.
pub const PR_STS_FAILED: u64 = 1 << 16;
/// [`PR_STS`]: host status in bits 27:24 not idle.
pub const PR_STS_HOST: u64 = 1 << 24;

/// [`PR_ERR`]: the region was not frozen, or there is none.
pub const PR_ERR_OPERATION: u64 = 1;
/// [`PR_ERR`]: checksum.
pub const PR_ERR_CRC: u64 = 1 << 1;
/// [`PR_ERR`]: bitstream for another interface.
pub const PR_ERR_INCOMPATIBLE: u64 = 1 << 2;
/// [`PR_ERR`]: data came in a wrong way.
pub const PR_ERR_PROTOCOL: u64 = 1 << 3;
/// [`PR_ERR`]: data came too fast.
pub const PR_ERR_FIFO: u64 = 1 << 4;

/// Port: capabilities; number in bits 1:0, register space in KiB in 23:8, interrupts in 35:32.
pub const PORT_CAP: u64 = 0x30;
/// Port: control.
pub const PORT_CTRL: u64 = 0x38;
/// [`PORT_CTRL`]: soft reset.
pub const PORT_SFTRST: u64 = 1;
/// [`PORT_CTRL`]: latency tolerance.
pub const PORT_LATENCY: u64 = 1 << 2;
/// [`PORT_CTRL`]: the soft reset is done.
pub const PORT_SFTRST_ACK: u64 = 1 << 4;
/// Port: status; power state in bits 11:8, events AP1 and AP2 in 12 and 13.
pub const PORT_STS: u64 = 0x40;
/// [`PORT_STS`]: event AP1, write one to clear.
pub const PORT_AP1: u64 = 1 << 12;
/// [`PORT_STS`]: event AP2, write one to clear.
pub const PORT_AP2: u64 = 1 << 13;
/// User clock commands and statuses.
pub const USRCLK_CMD0: u64 = 0x50;
/// Second user clock command.
pub const USRCLK_CMD1: u64 = 0x58;
/// User clock status.
pub const USRCLK_STS0: u64 = 0x60;
/// Second user clock status.
pub const USRCLK_STS1: u64 = 0x68;

/// Port error feature.
pub const PORT_ERR: u64 = 0x1000;
/// Port error mask.
pub const PORT_ERROR_MASK: u64 = PORT_ERR + 0x08;
/// Port errors.
pub const PORT_ERROR: u64 = PORT_ERR + 0x10;
/// The first error that was latched.
pub const PORT_FIRST_ERROR: u64 = PORT_ERR + 0x18;
/// First malformed request, lower half.
pub const PORT_MALFORMED0: u64 = PORT_ERR + 0x20;
/// First malformed request, upper half.
pub const PORT_MALFORMED1: u64 = PORT_ERR + 0x28;
/// Interrupt of the error feature.
pub const PORT_ERR_CAP: u64 = PORT_ERR + 0x38;
/// [`PORT_ERROR`]: a request to memory that is not mapped.
pub const PORT_ERROR_PAGE_FAULT: u64 = 1 << 50;
/// User interrupt feature.
pub const PORT_UINT: u64 = 0x2000;
/// Its capabilities: count in bits 11:0, first vector from bit 12.
pub const PORT_UINT_CAP: u64 = PORT_UINT + 0x08;

/// Interrupt vector of the management engine's errors.
pub const VECTOR_FME_ERROR: u64 = 0;
/// User interrupts of a port.
pub const USER_INTERRUPTS: u8 = 4;

/// Interrupt vector of a port's errors.
#[must_use]
pub const fn vector_port_error(port: usize) -> u64 {
    1 + port as u64
}

/// First interrupt vector of the functions, which the ports of a card share.
#[must_use]
pub const fn vector_user(ports: usize) -> u64 {
    1 + ports as u64
}

/// Interrupt vectors of a card.
#[must_use]
pub const fn vectors(ports: usize) -> u64 {
    vector_user(ports) + USER_INTERRUPTS as u64
}

/// Id of a management engine.
pub const FME_GUID: (u64, u64) = (0xbfaf_2ae9_4a52_46e3, 0x82fe_38f0_f9e1_7764);
/// Id of a port.
pub const PORT_GUID: (u64, u64) = (0x3ab4_9893_138d_42eb, 0x9642_b06c_6b35_5b87);

/// A header of the device feature list.
#[derive(Clone, Copy)]
pub struct Dfh {
    /// 1 function, 3 private feature, 4 FPGA interface unit.
    pub kind: u64,
    /// Feature id.
    pub id: u64,
    /// Revision.
    pub revision: u64,
    /// Offset of the next header from this one; 0 ends the list.
    pub next: u64,
}

impl Dfh {
    /// The register's value.
    #[must_use]
    pub const fn value(self) -> u64 {
        let end = if self.next == 0 { 1 << 40 } else { 0 };
        self.kind << 60 | end | self.next << 16 | self.revision << 12 | self.id
    }
}

/// [`Dfh::kind`] of a function.
pub const DFH_AFU: u64 = 1;
/// [`Dfh::kind`] of a private feature.
pub const DFH_PRIVATE: u64 = 3;
/// [`Dfh::kind`] of an interface unit.
pub const DFH_FIU: u64 = 4;
