//! The two functions that this program knows.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use fpga::id::AfuId;

/// Which NLB function runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// NLB mode 0: copies the source to the destination.
    Copy,
    /// NLB mode 3: reads the source, and writes a pattern to the destination.
    Throughput,
}

impl Mode {
    /// The number in the function's name.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Copy => 0,
            Self::Throughput => 3,
        }
    }

    /// The id in the function's header.
    pub(crate) fn afu_id(self) -> AfuId {
        AfuId::new(match self {
            Self::Copy => 0xd842_4dc4_a4a3_c413_f89e_4336_83f9_040b,
            Self::Throughput => 0xf7df_405c_bd7a_cf72_22f1_44b0_b93a_cd18,
        })
    }
}

impl ValueEnum for Mode {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Copy, Self::Throughput]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Copy => "0",
            Self::Throughput => "3",
        }))
    }
}
