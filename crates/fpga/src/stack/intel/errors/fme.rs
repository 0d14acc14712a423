//! Registers of the management engine's global error feature.

use super::Entry;

pub(super) const FME: &[Entry] = &[
    Entry::bit(0, "FabricErr", "error in the fabric"),
    Entry::bit(1, "FabricFifoUOflow", "fabric queue ran over or empty"),
    Entry::bits(2, 3, "KtiCdcParityErr", "parity error between the processor link and the fabric"),
    Entry::bit(4, "IommuParityErr", "parity error in the address translation"),
    Entry::bit(5, "AfuAccessModeErr", "access to a port through the wrong kind of PCI function"),
    Entry::bit(6, "MBPErr", "event of the board's power management"),
    Entry::bits(7, 11, "Pcie0CdcParErr", "parity error between PCIe link 0 and the fabric"),
    Entry::bits(12, 16, "Pcie1CdcParErr", "parity error between PCIe link 1 and the fabric"),
    Entry::bits(17, 19, "CvlCdcParErr", "parity error between the coherent link and the fabric"),
];

pub(super) const PCIE: &[Entry] = &[
    Entry::bit(0, "FormatTypeErr", "packet of an unknown format or type"),
    Entry::bit(1, "MWAddrErr", "write to a wrong address"),
    Entry::bit(2, "MWLengthErr", "write of a wrong length"),
    Entry::bit(3, "MRAddrErr", "read from a wrong address"),
    Entry::bit(4, "MRLengthErr", "read of a wrong length"),
    Entry::bit(5, "CompTagErr", "completion with an unknown tag"),
    Entry::bit(6, "CompStatErr", "completion with an error status"),
    Entry::bit(7, "CompTimeOutErr", "completion did not come in time"),
    Entry::bit(8, "ParityErr", "parity error in the bridge"),
    Entry::bit(9, "RxPoisonTlpErr", "poisoned packet received"),
    Entry::bit(62, "VFNumb", "(it was virtual function 1)"),
    Entry::bit(63, "FunctTypeErr", "(it was a virtual function)"),
];

/// The bit of [`NONFATAL`] for a fatal error of some port.
pub(super) const PORT_FATAL: u32 = 3;

pub(super) const NONFATAL: &[Entry] = &[
    Entry::bit(0, "TempThreshAP1", "temperature above the first threshold (AP1)"),
    Entry::bit(1, "TempThreshAP2", "temperature above the second threshold (AP2)"),
    Entry::bit(2, "PcieError", "error of a PCIe link"),
    Entry::bit(PORT_FATAL, "PortFatalErr", "fatal error of a port"),
    Entry::bit(4, "ProcHot", "the processor is too hot"),
    Entry::bit(5, "AfuAccessModeErr", "access to a port through the wrong kind of PCI function"),
    Entry::bit(6, "InjectedWarningErr", "injected warning"),
    Entry::bit(9, "TempThreshAP6", "temperature above the shut-down threshold (AP6)"),
    Entry::bit(10, "PowerThreshAP1", "power above the first threshold (AP1)"),
    Entry::bit(11, "PowerThreshAP2", "power above the second threshold (AP2)"),
    Entry::bit(12, "MBPErr", "event of the board's power management"),
];

pub(super) const FATAL: &[Entry] = &[
    Entry::bit(0, "KtiLinkFatalErr", "fatal error of the processor link"),
    Entry::bit(1, "TagCchFatalErr", "fatal error of the tag cache"),
    Entry::bit(2, "CciFatalErr", "fatal error of the core-cache interface"),
    Entry::bit(3, "KtiProtoFatalErr", "fatal protocol error on the processor link"),
    Entry::bit(4, "DramFatalErr", "fatal error of the memory"),
    Entry::bit(5, "IommuFatalErr", "fatal error of the address translation"),
    Entry::bit(6, "FabricFatalErr", "fatal error of the fabric"),
    Entry::bit(7, "PciePoisonErr", "poisoned PCIe packet"),
    Entry::bit(8, "InjectedFatalErr", "injected fatal error"),
    Entry::bit(9, "CrcCatastErr", "checksum error in the configuration memory"),
    Entry::bit(10, "ThermCatastErr", "catastrophic temperature"),
    Entry::bit(11, "InjectedCatastErr", "injected catastrophic error"),
];
