//! Which errors something can go on after.

use super::Register;
use crate::errors::Severity;

/// Bits of `PORT_ERROR` that tell of an access at the wrong time and leave the function as it is:
/// `MMIORdWhileRst`, `MMIOWrWhileRst` and `VfFlrAccessError`. After the others the port lets none of its
/// function's requests through.
const PORT_NONFATAL: u64 = 1 << 9 | 1 << 10 | 1 << 51;
/// What `PORT_ERROR` has names for.
const PORT_KNOWN: u64 = 0x000f_ff07_03ff_061f;
/// Lost or damaged data inside the card: `FabricErr`, `FabricFifoUOflow` and the parity errors.
const FME_FATAL: u64 = 0x000f_ff9f;
/// `ParityErr`: damaged data in the bridge. The others are packets that the card refused.
const PCIE_FATAL: u64 = 1 << 8;
/// `TempThreshAP6`: the card has switched its functions off, though the register is the one of the
/// nonfatal errors.
const NONFATAL_FATAL: u64 = 1 << 9;

impl Register {
    /// How bad the error behind a bit is. A bit that no table has is as bad as the register says.
    pub(super) fn severity(self, bit: u32) -> Severity {
        let fatal = match self {
            Self::Port => PORT_KNOWN & !PORT_NONFATAL,
            Self::Fme => FME_FATAL,
            Self::Pcie => PCIE_FATAL,
            Self::Nonfatal => NONFATAL_FATAL,
            Self::Fatal => u64::MAX,
            Self::FmeOrder | Self::Reconfiguration => 0,
        };
        if fatal.checked_shr(bit).unwrap_or(0) & 1 == 1 {
            Severity::Fatal
        } else {
            Severity::Nonfatal
        }
    }
}
