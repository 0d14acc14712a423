//! The products that can be emulated, with their PCI ids (`drivers/fpga/dfl-pci.c`).

use crate::card::Generator;

/// A product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// PAC with Intel Arria 10 GX.
    PacA10,
    /// PAC D5005 with Intel Stratix 10 SX.
    D5005,
    /// PAC N3000, a network card without a reconfigurable region.
    N3000,
    /// Xeon with integrated FPGA.
    Integrated,
    /// PAC N6000/N6001 and other open FPGA stack cards on Agilex 7.
    N6001,
    /// Silicom N5010.
    N5010,
}

/// PCI ids of a card and of its virtual functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PciIds {
    /// Vendor.
    pub vendor: u16,
    /// Device id of the physical function.
    pub device: u16,
    /// Device id of a virtual function; 0 when the product has none.
    pub vf_device: u16,
    /// Subsystem vendor.
    pub subsystem_vendor: u16,
    /// Subsystem device.
    pub subsystem_device: u16,
    /// 24-bit class code.
    pub class: u32,
}

/// Class code of a processing accelerator.
const ACCELERATOR: u32 = 0x12_0000;

impl Kind {
    /// The product's ids.
    #[must_use]
    pub fn ids(self) -> PciIds {
        let intel = |device, vf_device, subsystem_device| PciIds {
            vendor: 0x8086,
            device,
            vf_device,
            subsystem_vendor: 0x8086,
            subsystem_device,
            class: ACCELERATOR,
        };
        match self {
            Self::PacA10 => intel(0x09c4, 0x09c5, 0x0000),
            Self::D5005 => intel(0x0b2b, 0x0b2c, 0x0000),
            Self::N3000 => intel(0x0b30, 0x0b31, 0x0000),
            Self::Integrated => intel(0xbcc0, 0xbcc1, 0x0000),
            Self::N6001 => intel(0xbcce, 0xbccf, 0x1771),
            Self::N5010 => PciIds {
                vendor: 0x1c2c,
                device: 0x1000,
                vf_device: 0,
                subsystem_vendor: 0x1c2c,
                subsystem_device: 0,
                class: ACCELERATOR,
            },
        }
    }

    /// True when the product has a reconfigurable region unless the description says otherwise.
    #[must_use]
    pub fn reconfigurable(self) -> bool {
        !matches!(self, Self::N3000 | Self::N5010)
    }

    /// What generates the user clocks of its ports. The integrated FPGA stands for the older boards.
    #[must_use]
    pub fn clock(self) -> Generator {
        match self {
            Self::PacA10 => Generator::Fractional,
            Self::Integrated => Generator::FractionalOlder,
            Self::D5005 => Generator::Integer,
            Self::N3000 | Self::N6001 | Self::N5010 => Generator::None,
        }
    }

    /// Static-region id and build data, as `bitstream_id` and `bitstream_metadata` show them.
    #[must_use]
    pub fn static_region(self) -> (u64, u64) {
        match self {
            Self::PacA10 => (0x0123_0002_0000_0185, 0x1809_0610),
            Self::D5005 => (0x0202_0002_0237_ab1c, 0x1907_1900),
            Self::N3000 => (0x2300_0110_0302_06a4, 0x1910_1600),
            _ => (0x0403_0002_42f0_75fb, 0x2009_1500),
        }
    }
}
