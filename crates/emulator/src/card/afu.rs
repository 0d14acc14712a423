//! Accelerator functions: what is behind a port's registers.

mod hello;
mod nlb;

use super::dma::Dma;
use super::mmio::Mmio;
use crate::id::Guid;

/// Native loopback, mode 0: copies memory.
pub const NLB0: Guid = Guid::new(0xd842_4dc4_a4a3_c413_f89e_4336_83f9_040b);
/// Native loopback, mode 3: reads and writes for throughput.
pub const NLB3: Guid = Guid::new(0xf7df_405c_bd7a_cf72_22f1_44b0_b93a_cd18);
/// The hello function: registers only.
pub const HELLO: Guid = Guid::new(0x850a_dcc2_6ceb_4b22_9722_d433_75b6_1c66);

/// The id of a function by its short name: `nlb0`, `nlb3` or `hello`.
#[must_use]
pub fn by_name(name: &str) -> Option<Guid> {
    match name {
        "nlb0" => Some(NLB0),
        "nlb3" => Some(NLB3),
        "hello" => Some(HELLO),
        _ => None,
    }
}

/// What a function did in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Nothing to do.
    Idle,
    /// It worked, or has more to do.
    Working,
    /// It met memory that is not mapped and stopped.
    Failed,
}

/// A fault that a function shows on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// None.
    #[default]
    None,
    /// One bit of the first line that it writes is wrong.
    Corrupt,
    /// It never starts.
    Hang,
    /// The generator of its user clock does not lock.
    Clock,
}

/// A loaded function.
pub(super) enum Afu {
    Nlb(Box<nlb::Nlb>),
    Hello,
    /// An id without behaviour: plain registers, of which a reset clears those that NLB has.
    Other,
}

impl Afu {
    pub(super) fn new(id: Guid) -> Self {
        match id {
            NLB0 | NLB3 => Self::Nlb(Box::default()),
            HELLO => Self::Hello,
            _ => Self::Other,
        }
    }

    /// Register values after configuration.
    pub(super) fn power_up(&mut self, mmio: &dyn Mmio) {
        self.reset(mmio);
    }

    /// The port's soft reset.
    pub(super) fn reset(&mut self, mmio: &dyn Mmio) {
        match self {
            Self::Nlb(nlb) => nlb.reset(mmio),
            Self::Hello => hello::reset(mmio),
            Self::Other => nlb::clear(mmio),
        }
    }

    /// True for a function that does something by itself.
    pub(super) fn acts(&self) -> bool {
        matches!(self, Self::Nlb(_))
    }

    pub(super) fn step(&mut self, mmio: &dyn Mmio, memory: &dyn Dma, fault: Fault) -> Activity {
        match self {
            Self::Nlb(nlb) => nlb.step(mmio, memory, fault),
            Self::Hello | Self::Other => Activity::Idle,
        }
    }
}
